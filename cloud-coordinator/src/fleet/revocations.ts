// Which certificates are refused though they have not expired. Asked at each connection, so it is held in memory and
// read again from time to time: whoever revokes writes to the database, from whatever process. [IDN5]

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import type { CredentialTable, Revoked } from './enrolment.ts';
import { reread } from './reread.ts';

export interface Revocations {
  has(serial: string): boolean;
  /** After each reading: what is connected is looked at again. At most one listener. */
  onRead(listener: (revoked: readonly Revoked[]) => void): void;
  close(): void;
}

/** Fails where the list cannot be read at first; later it keeps what it has, and says so. */
export async function openRevocations(
  readEveryMs: number,
  table: Pick<CredentialTable, 'revoked'>,
  ports: { readonly clock: Clock; readonly log: Log },
): Promise<Result<Revocations>> {
  let serials: ReadonlySet<string> = new Set();
  let onRead = (_revoked: readonly Revoked[]): void => {};

  const read = async (): Promise<Result<void>> => {
    const revoked = await table.revoked(ports.clock.nowMs());
    if (!revoked.ok) return revoked;
    serials = new Set(revoked.value.map(({ serial }) => serial));
    onRead(revoked.value);
    return ok(undefined);
  };
  const close = await reread(readEveryMs, read, 'revocations', ports);
  if (!close.ok) return close;
  return ok({
    has: (serial) => serials.has(serial),
    onRead(listener) {
      onRead = listener;
    },
    close: close.value,
  });
}
