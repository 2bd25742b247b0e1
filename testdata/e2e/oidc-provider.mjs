// An OpenID Provider for tests: npm oidc-provider on a loopback port of its own.
//
//   node oidc-provider.mjs '{"client_id": "...", "client_secret": "...", "redirect_uris": [...],
//                            "users": {"alice": {"name": "...", "email": "..."}}}'
//
// prints {"issuer": "http://127.0.0.1:<port>"} on one line, and ends when its
// standard input does, so that it cannot outlive the test that started it.
import * as http from 'node:http';
import Provider from 'oidc-provider';

const options = JSON.parse(process.argv[2]);
const server = http.createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: options.client_id,
    client_secret: options.client_secret,
    redirect_uris: options.redirect_uris,
    token_endpoint_auth_method: options.token_endpoint_auth_method ?? 'client_secret_basic',
    userinfo_signed_response_alg: options.userinfo_signed_response_alg,
  }],
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username', 'picture'],
    email: ['email', 'email_verified'],
    groups: ['groups'],
  },
  scopes: ['openid', 'profile', 'email', 'groups'],
  // With the default, true, claims of scopes are at the userinfo endpoint only.
  conformIdTokenClaims: options.conform_id_token ?? false,
  features: { devInteractions: { enabled: true }, jwtUserinfo: { enabled: true } },
  pkce: { required: () => true },
  cookies: { keys: ['only for tests'] },
  async findAccount(ctx, id) {
    const user = options.users[id];
    return user && { accountId: id, claims: async () => ({ sub: id, preferred_username: id, ...user }) };
  },
  // Consent is given in advance: what is tested is the client.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope([...ctx.oidc.requestParamScopes].join(' '));
    await grant.save();
    return grant;
  },
});

server.on('request', provider.callback());
process.stdout.write(JSON.stringify({ issuer }) + '\n');
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
