// What the servers of the suite have in common.

/** Lets a server listen on a free loopback port and returns its origin. */
export async function listen(server) {
  // Longer than a client keeps a connection: what is hung up on just when it is
  // used again is an error there.
  server.keepAliveTimeout = 600_000;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}`;
}

/**
 * Tells the test where the servers are. From then on the program ends when its
 * standard input does, so that it cannot outlive the test that started it.
 */
export function print(addresses) {
  process.stdout.write(`${JSON.stringify(addresses)}\n`);
  process.stdin.resume();
  process.stdin.on("end", () => process.exit(0));
}
