// Question and passage read together by one network, which says how well the one answers the other (a cross-encoder:
// Nogueira, Cho, arXiv 1901.04085): a BERT's tokens of both in, one logit out.

import { assert, err, failure, ok, type Result } from '@skerry/shared';
import type { Execution } from '../runtime/execution-provider.ts';
import type { Runtime, Session } from '../runtime/runtime.ts';
import type { CrossEncoderFiles } from './embedder-files.ts';
import { createTextTokenizer } from './text-tokenizer.ts';
import { checkTokenInputs, feedsOf, samplesOf } from './token-inputs.ts';

export interface CrossEncoder {
  readonly name: string;
  readonly digest: string;
  /** What its network runs on. */
  execution(): Execution;
  /** Its logit: higher is nearer. Fails as a Session does. */
  score(question: string, text: string): Promise<Result<number>>;
  close(): Promise<void>;
}

/** What an execution provider is held against the cpu with. */
const samplePair = ['Which valve stops the water?', 'The main valve stops it.'] as const;

/** Fails with `invalid_bundle` where the network does not take tokens, or does not give one number. */
export async function openCrossEncoder(
  files: CrossEncoderFiles,
  runtime: Runtime,
  options: { readonly threads?: number } = {},
): Promise<Result<CrossEncoder>> {
  const { description, digest } = files;
  const tokenizer = createTextTokenizer(files.tokenizer, description.tokensMax);
  if (!tokenizer.ok) return tokenizer;
  const samples = [samplesOf([tokenizer.value.encodePair(...samplePair)])];
  const loaded = await runtime.load(files.model, { ...options, samples });
  if (!loaded.ok) return loaded;
  const session = loaded.value;
  const output = logitOf(session);
  if (!output.ok) {
    await session.close();
    return output;
  }
  return ok({
    name: description.name,
    digest,
    execution: session.execution,
    async score(question, text) {
      const ran = await session.run(feedsOf(session, [tokenizer.value.encodePair(question, text)]));
      if (!ran.ok) return ran;
      const logits = ran.value[output.value];
      assert(logits?.data instanceof Float32Array, 'a cross-encoder gives FP32');
      return ok(logits.data[0] as number);
    },
    close: session.close,
  });
}

/** Its one output. */
function logitOf(session: Session): Result<string> {
  const checked = checkTokenInputs(session, 'a cross-encoder');
  if (!checked.ok) return checked;
  const [output] = session.outputs;
  return output !== undefined && session.outputs.length === 1 && output.shape.at(-1) === 1
    ? ok(output.name)
    : err(failure('invalid_bundle', 'a cross-encoder gives one logit'));
}
