// Which certificates are refused though they have not expired. Asked at each connection, so it is held in memory and
// read again from time to time: whoever revokes writes to the database, from whatever process. [IDN5]

import type { Clock, Log, Result, Timer } from '@skerry/shared';
import { ok } from '@skerry/shared';
import type { CredentialTable, Revoked } from './enrolment.ts';

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
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<Result<Revocations>> {
  let serials: ReadonlySet<string> = new Set();
  let onRead = (_revoked: readonly Revoked[]): void => {};
  let timer: Timer | undefined;
  let closed = false;

  const read = async (): Promise<Result<void>> => {
    const revoked = await table.revoked(clock.nowMs());
    if (!revoked.ok) return revoked;
    serials = new Set(revoked.value.map(({ serial }) => serial));
    onRead(revoked.value);
    return ok(undefined);
  };
  const again = (): void => {
    if (closed) return;
    timer = clock.after(readEveryMs, () => {
      void read().then((done) => {
        if (!done.ok) log.error({ code: done.error.code }, 'cannot read the revocations');
        again();
      });
    });
  };

  const first = await read();
  if (!first.ok) return first;
  again();
  return ok({
    has: (serial) => serials.has(serial),
    onRead(listener) {
      onRead = listener;
    },
    close() {
      closed = true;
      timer?.cancel();
    },
  });
}
