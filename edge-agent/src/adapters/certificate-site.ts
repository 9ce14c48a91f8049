// The site that a device's certificate is of.

import { X509Certificate } from 'node:crypto';
import { defaultSite } from '@skerry/shared';

/** [IDN12] `undefined` where it is no certificate. */
export function certificateSite(pem: string): string | undefined {
  try {
    const { subject } = new X509Certificate(pem); // A line for each attribute.
    return /^OU=(.*)$/m.exec(subject)?.[1] ?? defaultSite;
  } catch {
    return undefined;
  }
}
