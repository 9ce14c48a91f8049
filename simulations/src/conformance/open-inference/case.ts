// What a case of the kit is, and how it says that a server differs.

import type { GrpcClient } from './grpc.ts';
import type { HttpClient } from './http.ts';

/** The models that the cases ask, by the names they have on the server. */
export interface ModelNames {
  /** INPUT0, INPUT1 INT32 [1, 16] → OUTPUT0 their sum, OUTPUT1 their difference. */
  readonly simple: string;
  /** INPUT0 → OUTPUT0, FP32 [−1, −1]. */
  readonly identityFp32: string;
  /** The same with [−1, −1, −1]. */
  readonly identityFp32Wide: string;
  /** INPUT0 → OUTPUT0, FP16 [−1]. */
  readonly identityFp16: string;
  /** INPUT0 → OUTPUT0, INT64 [−1]. */
  readonly identityInt64: string;
  /** INPUT0 → OUTPUT0, BYTES [−1]. */
  readonly identityBytes: string;
  /** INPUT0 FP32 [1] → OUTPUT0, and takes its time; its queue holds two. */
  readonly slow: string;
}

export const modelNames: ModelNames = {
  simple: 'simple',
  identityFp32: 'identity_fp32',
  identityFp32Wide: 'identity_fp32_wide',
  identityFp16: 'identity_fp16',
  identityInt64: 'identity_int64',
  identityBytes: 'identity_bytes',
  slow: 'slow',
};

export interface Target {
  readonly http: HttpClient;
  /** Absent where the server is asked over REST alone. */
  readonly grpc?: GrpcClient;
  readonly models: ModelNames;
}

export interface Case {
  readonly name: string;
  /** Who asks for it: the protocol itself, an extension, or the server whose tests have it. */
  readonly source: 'protocol' | 'binary' | 'gRPC' | 'Triton' | 'KServe';
  /** Models without which there is nothing to ask. */
  readonly needs?: readonly (keyof ModelNames)[];
  /** Throws Mismatch where the server differs, Skipped where it does not offer what is asked. */
  run(target: Target): Promise<void>;
}

export class Mismatch extends Error {}
export class Skipped extends Error {}

export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Mismatch(otherwise);
}

export function same(what: string, got: unknown, wanted: unknown): void {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  expect(a === b, `${what}: expected ${b}, got ${a}`.slice(0, 300));
}
