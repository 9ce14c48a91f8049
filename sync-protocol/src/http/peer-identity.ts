// Who is at the other end of a TLS connection, by the certificate that it has shown.

import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { defaultSite, nameSchema } from '@skerry/shared';
import type { TlsMaterial } from '@skerry/shared/node';

export interface PeerIdentity {
  readonly kind: 'device' | 'coordinator';
  /** The certificate's common name. */
  readonly name: string;
  /** The one that the certificate names; `default` where it names none. [IDN12] */
  readonly site: string;
  readonly serial: string;
  readonly notAfterMs: number;
}

/** What a listener shows, and whom it lets in. */
export interface PeerSecurity {
  /** Absent until there is one: nobody can connect. */
  readonly tls: TlsMaterial | undefined;
  /** Whether a certificate of ours is refused by now: revoked, or expired since its owner connected. */
  readonly isRefused: (peer: PeerIdentity) => boolean;
}

/** No device's name has a colon. */
export const coordinatorNamePrefix = 'skerry:coordinator:';

/** None where there is no TLS, no certificate, or one that our authority has not signed. */
export function peerIdentity(connection: unknown): PeerIdentity | undefined {
  if (!(connection instanceof TLSSocket) || !connection.authorized) return undefined;
  const certificate: X509Certificate | undefined = connection.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const { CN: name = '', OU: site = defaultSite } = Object.fromEntries(
    certificate.subject.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)),
  ) as { CN?: string; OU?: string };
  const kind = name.startsWith(coordinatorNamePrefix) ? 'coordinator' : 'device';
  if (kind === 'device' && !nameSchema.safeParse(name).success) return undefined;
  return {
    kind,
    name,
    site,
    serial: certificate.serialNumber.toLowerCase(),
    notAfterMs: Date.parse(certificate.validTo),
  };
}
