import type { Result } from '@skerry/shared';

/** What was expected to succeed: else the story cannot go on. */
export function expectOk<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(`${result.error.code}: ${result.error.message}`);
}
