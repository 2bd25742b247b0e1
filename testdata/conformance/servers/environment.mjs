// NextAuth reads its URL from the environment at every request, but one process
// serves all sites here.

/** Runs one thing after the other, each with variables of its own. */
export class Environment {
  #last = Promise.resolve();

  /** Runs a function while the variables are set, alone. */
  with(variables, run) {
    const turn = this.#last.then(async () => {
      Object.assign(process.env, variables);
      try {
        return await run();
      } finally {
        for (const name of Object.keys(variables)) delete process.env[name];
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}
