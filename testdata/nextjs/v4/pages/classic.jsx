import { getServerSession } from "next-auth";

import { authOptions } from "../auth.js";

export async function getServerSideProps({ req, res }) {
  const session = await getServerSession(req, res, authOptions);
  return { props: { user: JSON.stringify(session?.user ?? null) } };
}

export default function Page({ user }) {
  return <pre id="session">{user}</pre>;
}
