// A mail server that delivers to nobody, and tells what it has taken.

import { join } from "node:path";

import { Program, root, run, temporary } from "./process.mjs";

/** The mail server's program. */
async function mailsinkBinary(t) {
  if (process.env.MAILSINK_BIN) return process.env.MAILSINK_BIN;
  const binary = join(await temporary(t), "mailsink");
  run("go", ["build", "-o", binary, "./caddyauth/internal/testsmtp/mailsink"], { cwd: root });
  return binary;
}

export class Mail {
  /** Starts a mail server, which t ends. start is what runs a program. */
  static async start(t, start = (binary, args) => new Program(binary, args)) {
    const mail = new Mail();
    mail.program = start(await mailsinkBinary(t), []);
    t.after(() => mail.stop());
    const [, smtp, http] = await mail.program.until(
      () => /^smtp (\S+)\nhttp (\S+)$/m.exec(mail.program.output),
      "its addresses",
    );
    return Object.assign(mail, { smtp, http });
  }

  stop() {
    return this.program.stop();
  }

  /** The mails that an address has got, the oldest first. */
  async messages(to) {
    const response = await fetch(`http://${this.http}/messages?to=${encodeURIComponent(to)}`);
    return response.json();
  }

  /** The link in the last of them. */
  async link(to) {
    const response = await fetch(`http://${this.http}/link?to=${encodeURIComponent(to)}`);
    if (!response.ok) throw new Error(`${to} has no mail`);
    return response.text();
  }
}
