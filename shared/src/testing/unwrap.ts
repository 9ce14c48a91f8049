import type { Result } from '../result.ts';

/** Of what cannot fail where it is called; else throws with the Failure's code and message. */
export function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}
