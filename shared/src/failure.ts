// The catalogue of expected errors: one code, its HTTP status, and whether the same call may be tried again.
// Callers branch on `code`, never on text. A foreign error becomes a Failure in the adapter that met it.

interface FailureKind {
  readonly httpStatus: number;
  readonly retryable: boolean;
}

export const failureCatalogue = {
  invalid_argument: { httpStatus: 400, retryable: false },
  invalid_tensor: { httpStatus: 400, retryable: false },
  malformed_message: { httpStatus: 400, retryable: false },
  unsupported_version: { httpStatus: 400, retryable: false },
  unauthenticated: { httpStatus: 401, retryable: false },
  /** Bytes that nobody trusted has signed, or that go back behind what was signed since. */
  untrusted: { httpStatus: 403, retryable: false },
  /** Signed, but not for today: newer metadata, or the right time, will do. */
  expired: { httpStatus: 403, retryable: true },
  permission_denied: { httpStatus: 403, retryable: false },
  /** A budget that comes back for nobody: privacy. */
  budget_spent: { httpStatus: 403, retryable: false },
  not_found: { httpStatus: 404, retryable: false },
  model_not_found: { httpStatus: 404, retryable: false },
  too_large: { httpStatus: 413, retryable: false },
  invalid_config: { httpStatus: 500, retryable: false },
  invalid_bundle: { httpStatus: 500, retryable: false },
  digest_mismatch: { httpStatus: 500, retryable: false },
  /** A bug of ours that a border caught. */
  internal: { httpStatus: 500, retryable: false },
  runtime_failed: { httpStatus: 500, retryable: true },
  storage_failed: { httpStatus: 500, retryable: true },
  overloaded: { httpStatus: 503, retryable: true },
  unavailable: { httpStatus: 503, retryable: true },
  deadline_exceeded: { httpStatus: 504, retryable: true },
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof failureCatalogue;

export interface Failure {
  readonly code: FailureCode;
  /** For a person: says what was expected and what came. Never holds a secret or a payload. */
  readonly message: string;
  readonly retryable: boolean;
  /** How long to wait before the next try, where the one who refused knows. */
  readonly retryAfterMs?: number;
}

export function failure(
  code: FailureCode,
  message: string,
  more: { retryAfterMs?: number } = {},
): Failure {
  return { code, message, retryable: failureCatalogue[code].retryable, ...more };
}

export const httpStatusOf = (f: Failure): number => failureCatalogue[f.code].httpStatus;

/** The text of anything that was thrown, for a Failure's message. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
