/** A key, its certificate with the chain, and whom its owner trusts: PEM, as node:tls takes them. */
export interface TlsMaterial {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

const loopback = /^(localhost|127(\.\d+){3}|::1|\[::1\])$/;

/** Whether a host name means this machine alone: where plaintext is no danger. */
export const isLoopback = (host: string): boolean => loopback.test(host);
