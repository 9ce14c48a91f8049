import { assert, type Result } from '@skerry/shared';

/** Training has nobody to hand a Failure to. */
export function expectOk<T>(result: Result<T>): T {
  assert(result.ok, result.ok ? '' : result.error.message);
  return result.value;
}
