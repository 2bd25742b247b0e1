import { getServerSession } from "next-auth";

import { authOptions } from "../auth.js";

export default async function Page() {
  const session = await getServerSession(authOptions);
  return <pre id="session">{JSON.stringify(session?.user ?? null)}</pre>;
}
