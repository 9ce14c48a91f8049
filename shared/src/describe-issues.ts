import type { z } from 'zod';

/** What is wrong, for a person: where it stands and what was expected; `whole` names the value itself. */
export function describeIssues(error: z.ZodError, whole = 'the value'): string {
  return error.issues
    .map(({ path, message }) => `${path.length > 0 ? path.join('.') : whole}: ${message}`)
    .join('; ');
}
