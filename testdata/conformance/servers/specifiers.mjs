// next-auth 5 imports "next/server" and the like, which bundlers find and Node
// does not: the package of Next.js lists no exports, so its files need their
// whole name.
import { register } from "node:module";

const hooks = `
export function resolve(specifier, context, next) {
  return next(/^next\\/[a-z]+$/.test(specifier) ? specifier + ".js" : specifier, context);
}`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`);
