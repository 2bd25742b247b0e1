import { auth } from "../auth.js";

export default async function Page() {
  const session = await auth();
  return <pre id="session">{JSON.stringify(session?.user ?? null)}</pre>;
}
