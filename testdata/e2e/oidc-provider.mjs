// An OpenID Provider for tests: npm oidc-provider on a loopback port of its own.
//
//   node oidc-provider.mjs '{"client_id": "...", "client_secret": "...", "redirect_uris": [...],
//                            "users": {"alice": {"name": "...", "email": "..."}}}'
//
// prints {"issuer": "http://127.0.0.1:<port>"} on one line, and ends when its
// standard input does, so that it cannot outlive the test that started it.
import { startProvider } from "./lib/provider.mjs";

const { issuer } = await startProvider(JSON.parse(process.argv[2]));
process.stdout.write(JSON.stringify({ issuer }) + "\n");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
