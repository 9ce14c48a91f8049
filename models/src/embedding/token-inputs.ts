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

/** Of one text, or two that are read together; those inputs that the network has. */
export function feedsOf(session: Session, tokens: Tokens): TensorMap {
  const all = samplesOf(tokens);
  const feeds: Record<string, Tensor> = {};
  for (const { name } of session.inputs) {
    const tensor = all[name];
    if (tensor !== undefined) feeds[name] = tensor;
  }
  return feeds;
}

/** All inputs that such a network may have: before it is opened nobody knows which. */
export function samplesOf({ ids, types }: Tokens): TensorMap {
  const tensor = (values: readonly number[]): Tensor => ({
    datatype: 'INT64',
    shape: [1, ids.length],
    data: BigInt64Array.from(values, BigInt),
  });
  return {
    input_ids: tensor(ids),
    attention_mask: tensor(ids.map(() => 1)),
    token_type_ids: tensor(types),
  };
}
