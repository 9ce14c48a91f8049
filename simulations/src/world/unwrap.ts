import type { Result } from '@skerry/shared';

/** For what never fails in a world, whatever happens there. */
export function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}
