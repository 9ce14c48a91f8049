// How a device comes to its certificate: with an operator's token the first time, with the certificate that it has from
// then on. The device's key never leaves the device. [IDN1–IDN6, IDN15]

import {
  type Clock,
  defaultSite,
  err,
  failure,
  formatJoinToken,
  nameSchema,
  ok,
  parseJoinToken,
  type Result,
} from '@skerry/shared';

export interface Subject {
  readonly device: string;
  readonly site: string;
}

/** Whom a certificate names that a device has shown. */
export interface Shown extends Subject {
  readonly serial: string;
}

export interface DeviceCertificate {
  /** PEM. */
  readonly certificate: string;
  readonly serial: string;
  readonly notAfterMs: number;
}

export interface Revoked {
  readonly serial: string;
  readonly device: string;
  readonly revokedMs: number;
}

/** Who signs. */
export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** Its sha256, as hex. */
  readonly fingerprint: string;
  /** The device that a PKCS #10 request names, and its key's sha256. Fails with `invalid_argument`. */
  readRequest(pem: string): Promise<Result<{ readonly device: string; readonly key: string }>>;
  issueDevice(
    pem: string,
    subject: Subject,
    lifeMs: number,
    nowMs: number,
  ): Promise<DeviceCertificate>;
}

export interface StoredToken {
  /** Of the secret, which is not stored. */
  readonly sha256: string;
  /** The only device that may use it. */
  readonly device: string | undefined;
  readonly site: string | undefined;
  readonly expiresMs: number;
}

export interface NewCertificate {
  readonly serial: string;
  readonly device: string;
  readonly site: string;
  readonly key: string;
  readonly notAfterMs: number;
  /** The serial of the one that it renews, whose enrolment it is of. Absent, it begins the device's next enrolment. */
  readonly renews?: string;
}

/** Tokens and certificates, durable. */
export interface CredentialTable {
  /** Those that have expired go. */
  addToken(token: StoredToken, nowMs: number): Promise<Result<void>>;
  /**
   * Spends a token that is not expired, not spent by another key, and bound to that device, or to none unless
   * `boundOnly`; `undefined` where there is none such. The same key may ask again, for the reply may have been lost.
   */
  spendToken(
    sha256: string,
    by: { readonly device: string; readonly key: string; readonly boundOnly: boolean },
    nowMs: number,
  ): Promise<Result<StoredToken | undefined>>;
  /** Of the device's others those go that expired `expiredKeptMs` ago, where a newer one is of the same or a later enrolment. [IDN18] */
  addCertificate(certificate: NewCertificate, nowMs: number): Promise<Result<void>>;
  /** Whether the device has enrolled again since the one that this certificate comes from. [IDN15] */
  isReplaced(device: string, serial: string): Promise<Result<boolean>>;
  /**
   * The site of a device's newest good certificate, of its last enrolment that has one; `undefined` where it has none.
   * [IDN12]
   */
  siteOf(device: string, nowMs: number): Promise<Result<string | undefined>>;
  /** Whether a device has a certificate that is neither expired nor revoked, for another key. */
  isTaken(device: string, key: string, nowMs: number): Promise<Result<boolean>>;
  /** Revokes all certificates that a device has; how many. */
  revoke(device: string, nowMs: number): Promise<Result<number>>;
  /** Those not expired, as far as they matter. */
  revoked(nowMs: number): Promise<Result<readonly Revoked[]>>;
}

/** An operator may ask what a device had. */
export const expiredKeptMs = 90 * 24 * 3_600_000;

export interface EnrolmentPorts {
  readonly authority: Authority;
  readonly table: CredentialTable;
  readonly clock: Clock;
  readonly sha256: (text: string) => string;
}

/** What a device gets. */
export interface Enrolled {
  readonly certificate: string;
  readonly authority: string;
}

export interface Enrolment {
  /** Fails with `unauthenticated` for a token that does not serve. */
  enrol(token: string, request: string): Promise<Result<Enrolled>>;
  /**
   * For a device that has shown its certificate. Fails with `permission_denied` for another's name, and where the name
   * has gone to another enrolment since.
   */
  renew(shown: Shown, request: string): Promise<Result<Enrolled>>;
}

const tokenRefused =
  'the token is unknown, spent, expired or bound to another name; a name that is enrolled needs one bound to it';

export function createEnrolment(certificateLifeMs: number, ports: EnrolmentPorts): Enrolment {
  const { authority, table, clock, sha256 } = ports;

  const issue = async (request: string, subject: Subject, key: string, renews?: string) => {
    const nowMs = clock.nowMs();
    const issued = await authority.issueDevice(request, subject, certificateLifeMs, nowMs);
    const { certificate, serial, notAfterMs } = issued;
    const made = { ...subject, serial, key, notAfterMs };
    const added = await table.addCertificate({ ...made, ...(renews && { renews }) }, nowMs);
    return added.ok ? ok({ certificate, authority: authority.certificate }) : added;
  };

  return {
    async enrol(text, request) {
      const token = parseJoinToken(text);
      if (!token.ok) return token;
      const asked = await authority.readRequest(request);
      if (!asked.ok) return asked;
      const { device, key } = asked.value;
      if (!nameSchema.safeParse(device).success)
        return err(failure('invalid_argument', 'the request’s common name is no device’s name'));
      const nowMs = clock.nowMs();
      // Before the token is spent: a name that is taken leaves it usable for another. [IDN4]
      // Whoever has a name keeps it, unless the operator has said by name that another machine takes it. [IDN4]
      const taken = await table.isTaken(device, key, nowMs);
      if (!taken.ok) return taken;
      const by = { device, key, boundOnly: taken.value };
      const spent = await table.spendToken(sha256(token.value.secret), by, nowMs);
      if (!spent.ok) return spent;
      if (spent.value === undefined) return err(failure('unauthenticated', tokenRefused));
      return issue(request, { device, site: spent.value.site ?? defaultSite }, key);
    },

    async renew({ serial, ...subject }, request) {
      const asked = await authority.readRequest(request);
      if (!asked.ok) return asked;
      if (asked.value.device !== subject.device)
        return err(failure('permission_denied', 'a device renews its own certificate alone'));
      const replaced = await table.isReplaced(subject.device, serial);
      if (!replaced.ok) return replaced;
      if (replaced.value)
        return err(failure('permission_denied', 'the name has been enrolled anew since'));
      return issue(request, subject, asked.value.key, serial);
    },
  };
}

export interface TokenRequest {
  readonly secret: string;
  readonly device?: string | undefined;
  readonly site?: string | undefined;
  readonly lifeMs: number;
}

/** Makes a token known and returns the text that a device is given. */
export async function createJoinToken(
  { secret, device, site, lifeMs }: TokenRequest,
  { authority, table, clock, sha256 }: EnrolmentPorts,
): Promise<Result<string>> {
  const nowMs = clock.nowMs();
  const stored = { sha256: sha256(secret), device, site, expiresMs: nowMs + lifeMs };
  const added = await table.addToken(stored, nowMs);
  return added.ok ? ok(formatJoinToken({ secret, authority: authority.fingerprint })) : added;
}
