// What a BERT takes: tokens, which of them are there, and of which of two texts each is.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { Session } from '../runtime/runtime.ts';
import type { Tensor, TensorMap } from '../tensor.ts';

export interface Tokens {
  readonly ids: readonly number[];
  /** 1 for those of the second text. */
  readonly types: readonly number[];
}

const tokenInputs = ['input_ids', 'attention_mask', 'token_type_ids'];

/** @param what of a failure: `an embedder` */
export function checkTokenInputs({ inputs }: Session, what: string): Result<void> {
  const unknown = inputs.find(({ name }) => !tokenInputs.includes(name));
  if (unknown !== undefined || !inputs.some(({ name }) => name === 'input_ids'))
    return err(
      failure('invalid_bundle', `${what} takes tokens, not '${unknown?.name ?? 'nothing'}'`),
    );
  return ok(undefined);
}

/** Of texts side by side, or of pairs that are read together; those inputs that the network has. */
export function feedsOf(session: Session, rows: readonly Tokens[]): TensorMap {
  const all = samplesOf(rows);
  const feeds: Record<string, Tensor> = {};
  for (const { name } of session.inputs) {
    const tensor = all[name];
    if (tensor !== undefined) feeds[name] = tensor;
  }
  return feeds;
}

/** All inputs that such a network may have: before it is opened nobody knows which. [rows, tokens of the longest] */
export function samplesOf(rows: readonly Tokens[]): TensorMap {
  const length = Math.max(0, ...rows.map(({ ids }) => ids.length));
  const tensor = (valuesOf: (tokens: Tokens) => readonly number[]): Tensor => {
    // What fills up a shorter row is masked.
    const data = new BigInt64Array(rows.length * length);
    for (const [row, tokens] of rows.entries())
      data.set(BigInt64Array.from(valuesOf(tokens), BigInt), row * length);
    return { datatype: 'INT64', shape: [rows.length, length], data };
  };
  return {
    input_ids: tensor(({ ids }) => ids),
    attention_mask: tensor(({ ids }) => ids.map(() => 1)),
    token_type_ids: tensor(({ types }) => types),
  };
}
