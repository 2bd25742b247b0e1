// Chromium's virtual authenticator.

/**
 * Gives a visitor's page an authenticator of its own, as a laptop with a
 * fingerprint reader has one. Its person does at once what is asked of them.
 */
export class Authenticator {
  static async of(visitor) {
    const authenticator = new Authenticator();
    const cdp = await visitor.context.newCDPSession(visitor.page);
    await cdp.send("WebAuthn.enable");
    const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    authenticator.send = (method, parameters) => cdp.send(`WebAuthn.${method}`, { authenticatorId, ...parameters });
    return authenticator;
  }

  /** The passkeys on it. */
  async credentials() {
    return (await this.send("getCredentials")).credentials;
  }

  /** Whether it recognizes the person. */
  recognizes(isUserVerified) {
    return this.send("setUserVerified", { isUserVerified });
  }
}
