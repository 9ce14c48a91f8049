import { err, failure, messageOf, ok, type Result } from '@skerry/shared';

/** Runs a query: what the database throws becomes `storage_failed`. */
export async function attempt<T>(query: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await query());
  } catch (thrown) {
    return err(failure('storage_failed', messageOf(thrown)));
  }
}
