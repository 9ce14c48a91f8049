// Mosquitto's own certificate lives 397 days, and nobody renews it but `mosquitto-config`: whoever runs it hears of its end
// in time. [IDN17]

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, type Log, messageOf } from '@skerry/shared';
import { mosquittoFiles } from '../fleet/mosquitto-config.ts';

const dayMs = 86_400_000;
/** Before its end. */
const warnMs = 60 * dayMs;
const lookEveryMs = dayMs;

/** Call it as often as you like: it looks once a day. */
export function createMosquittoCertificateWatch(
  folder: string,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): () => void {
  const file = join(folder, mosquittoFiles.certificate);
  let dueMs = clock.monotonicMs();
  return () => {
    if (clock.monotonicMs() < dueMs) return;
    dueMs = clock.monotonicMs() + lookEveryMs;
    try {
      const endMs = Date.parse(new X509Certificate(readFileSync(file)).validTo);
      const leftMs = endMs - clock.nowMs();
      const fields = { file, until: new Date(endMs).toISOString() };
      if (leftMs <= 0) log.error(fields, 'Mosquitto’s certificate has ended: run mosquitto-config');
      else if (leftMs <= warnMs)
        log.warn(fields, 'Mosquitto’s certificate ends soon: run mosquitto-config');
    } catch (thrown) {
      log.warn({ file, reason: messageOf(thrown) }, 'Mosquitto’s certificate cannot be read');
    }
  };
}
