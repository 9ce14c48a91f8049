// What a disk or a database throws, as a Failure.

import { failure, messageOf } from '../failure.ts';
import { err, ok, type Result } from '../result.ts';

/** Fails with `storage_failed`; `where` goes before the reason. */
export async function attempt<T>(action: () => Promise<T>, where?: string): Promise<Result<T>> {
  try {
    return ok(await action());
  } catch (thrown) {
    const why = messageOf(thrown);
    return err(failure('storage_failed', where === undefined ? why : `${where}: ${why}`));
  }
}
