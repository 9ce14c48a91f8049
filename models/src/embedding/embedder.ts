// Texts as vectors of length 1: a BERT's tokens, its runtime's hidden states, and one vector pooled from them
// (Sentence-BERT, arXiv 1908.10084 §3). One text a run: a network quantized with dynamic ranges computes a text
// otherwise beside another, and the same text shall always have the same vector. On a GPU, where rounding differs anyhow and a
// run of one text leaves it idle, texts share a run if that changes no more than rounding.

import { assert, err, failure, ok, type Result } from '@skerry/shared';
import { sessionMemoryBytes } from '../bundle/session-memory.ts';
import { type Execution, isAccelerated } from '../runtime/execution-provider.ts';
import type { Residency } from '../runtime/residency.ts';
import type { LoadOptions, Runtime, Session } from '../runtime/runtime.ts';
import type { TensorMap } from '../tensor.ts';
import type { EmbedderDescription, EmbedderFiles } from './embedder-files.ts';
import { createTextTokenizer } from './text-tokenizer.ts';
import { checkTokenInputs, feedsOf, samplesOf, type Tokens } from './token-inputs.ts';

export interface Embedder {
  readonly name: string;
  /** Of all that makes its vectors. Those of two digests cannot be compared. */
  readonly digest: string;
  readonly dimensions: number;
  /** What of a text is longer is left out. */
  readonly tokensMax: number;
  /** How sure a library may be of what it finds by these vectors, where that is known. */
  readonly answers: EmbedderDescription['answers'];
  countTokens(text: string): number;
  /** What its network runs on. */
  execution(): Execution;
  /** How many texts share a run. */
  textsInRun(): number;
  /** Unit vectors, one after the other: [texts.length, dimensions]. Fails as a Session does. */
  embed(texts: readonly string[]): Promise<Result<Float32Array<ArrayBuffer>>>;
  close(): Promise<void>;
}

export interface EmbedderOptions {
  readonly threads?: number;
  /** Of whose memory it takes its share, for as long as it is open: it is not unloaded for others. */
  readonly residency?: Residency | undefined;
}

const hiddenName = 'last_hidden_state';
/** What an execution provider is held against the cpu with: a question, and a passage. */
const sampleTexts = [
  'Which valve stops the water?',
  'The lamp is cleaned with a dry cloth each morning. If the glass is warm, wait until it has cooled; then close the shutter, turn the main valve to the left and write the time, the wind and the state of the sea into the book that lies beside the door.',
];
/** On a GPU: of a run, texts at most, and tokens with what fills up the shorter ones. */
const textsInRunMax = 32;
const tokensInRunMax = 8_192;
/** By how much a number of a vector of length 1 may differ where other texts share its run. */
const sharedDifferenceMax = 1e-4;

/**
 * Fails with `invalid_bundle` where the network does not take tokens, or does not give what the files say; with `too_large`
 * or `overloaded` where it does not fit beside what shares its memory.
 */
export async function openEmbedder(
  files: EmbedderFiles,
  runtime: Runtime,
  { residency, ...options }: EmbedderOptions = {},
): Promise<Result<Embedder>> {
  const { description, digest } = files;
  const tokenizer = createTextTokenizer(files.tokenizer, description.tokensMax);
  if (!tokenizer.ok) return tokenizer;
  const tokensOf = (text: string): Tokens => {
    const ids = tokenizer.value.encode(text);
    return { ids, types: ids.map(() => 0) };
  };
  const sampleRows = sampleTexts.map(tokensOf);
  const samples = isAccelerated(runtime.executionProviders) ? samplesToCheck(sampleRows) : [];
  // In use until it is closed: nobody is asked to leave for a text, and none waits for weights.
  const seat = await residency?.enter(memoryBytesOf(files, runtime), async () => {});
  if (seat?.ok === false) return seat;
  const loaded = await loadChecked(files, runtime, { ...options, samples });
  if (!loaded.ok) {
    seat?.value.leave();
    return loaded;
  }
  const session = loaded.value;
  const { dimensions, tokensMax, name } = description;
  const isOnGpu = () => isAccelerated([session.execution().provider]);
  const shares = isOnGpu() && (await isAloneAsShared(session, sampleRows, dimensions));
  const textsInRun = () => (shares && isOnGpu() ? textsInRunMax : 1);
  return ok({
    name,
    digest,
    dimensions,
    tokensMax,
    answers: description.answers,
    countTokens: tokenizer.value.count,
    execution: session.execution,
    textsInRun,
    embed: (texts) => embedRows(session, texts.map(tokensOf), dimensions, textsInRun()),
    async close() {
      await session.close();
      seat?.value.leave();
    },
  });
}

/** Each alone, and as many as share a run. */
function samplesToCheck(rows: readonly Tokens[]): readonly TensorMap[] {
  const full = Array.from({ length: textsInRunMax / rows.length }, () => rows).flat();
  return [...rows.map((row) => [row]), full].map(samplesOf);
}

/** As a stage's: what is inside grows with the longest text. */
function memoryBytesOf({ description, model }: EmbedderFiles, runtime: Runtime): number {
  const { tokensMax, dimensions } = description;
  const tokens = isAccelerated(runtime.executionProviders) ? tokensInRunMax : tokensMax;
  const shape = [1, tokens, dimensions];
  const hidden = { name: hiddenName, datatype: 'FP32' as const, shape };
  return sessionMemoryBytes({ inputs: [], outputs: [hidden] }, model.byteLength);
}

async function loadChecked(
  { model, description: { dimensions } }: EmbedderFiles,
  runtime: Runtime,
  options: LoadOptions,
): Promise<Result<Session>> {
  const loaded = await runtime.load(model, options);
  if (!loaded.ok) return loaded;
  const checked = checkSession(loaded.value, dimensions);
  if (checked.ok) return loaded;
  await loaded.value.close();
  return checked;
}

function checkSession(session: Session, dimensions: number): Result<void> {
  const checked = checkTokenInputs(session, 'an embedder');
  if (!checked.ok) return checked;
  const { outputs } = session;
  const hidden = outputs.find(({ name }) => name === hiddenName);
  const last = hidden?.shape.at(-1);
  if (hidden === undefined || (last !== -1 && last !== dimensions))
    return err(
      failure(
        'invalid_bundle',
        `expected '${hiddenName}' of ${dimensions} dimensions; found ${last}`,
      ),
    );
  return ok(undefined);
}

/** Whether the samples have the vectors together that they have each alone. */
async function isAloneAsShared(
  session: Session,
  rows: readonly Tokens[],
  dimensions: number,
): Promise<boolean> {
  const [alone, shared] = [
    await embedRows(session, rows, dimensions, 1),
    await embedRows(session, rows, dimensions, rows.length),
  ];
  if (!alone.ok || !shared.ok) return false;
  return alone.value.every(
    (number, i) => Math.abs(number - (shared.value[i] as number)) <= sharedDifferenceMax,
  );
}

/** [rows.length, dimensions] */
async function embedRows(
  session: Session,
  rows: readonly Tokens[],
  dimensions: number,
  rowsInRun: number,
): Promise<Result<Float32Array<ArrayBuffer>>> {
  const vectors = new Float32Array(rows.length * dimensions);
  for (const run of runsOf(rows, rowsInRun)) {
    const ran = await session.run(
      feedsOf(
        session,
        run.map((row) => rows[row] as Tokens),
      ),
    );
    if (!ran.ok) return ran;
    const hidden = ran.value[hiddenName];
    assert(hidden?.data instanceof Float32Array, 'an embedder gives FP32');
    const rowLength = hidden.data.length / run.length;
    for (const [i, row] of run.entries()) {
      const used = (rows[row] as Tokens).ids.length * dimensions;
      const vector = vectors.subarray(row * dimensions, (row + 1) * dimensions);
      poolMean(vector, hidden.data.subarray(i * rowLength, i * rowLength + used));
    }
  }
  return ok(vectors);
}

/** Which rows share a run: those of a length, so that little is filled up. */
function* runsOf(rows: readonly Tokens[], rowsMax: number): Generator<readonly number[]> {
  const lengthOf = (row: number) => (rows[row] as Tokens).ids.length;
  const byLength = [...rows.keys()].sort((a, b) => lengthOf(a) - lengthOf(b));
  let run: number[] = [];
  for (const row of byLength) {
    const isFull = run.length === rowsMax || (run.length + 1) * lengthOf(row) > tokensInRunMax;
    if (run.length > 0 && isFull) {
      yield run;
      run = [];
    }
    run.push(row);
  }
  if (run.length > 0) yield run;
}

/** The mean over the tokens, of length 1. */
function poolMean(vector: Float32Array, hidden: Float32Array): void {
  const dimensions = vector.length;
  const sum = new Float64Array(dimensions);
  for (let at = 0; at < hidden.length; at += dimensions)
    for (let d = 0; d < dimensions; d++) sum[d] = (sum[d] as number) + (hidden[at + d] as number);
  let squares = 0;
  for (const value of sum) squares += value * value;
  const length = Math.sqrt(squares) || 1;
  for (let d = 0; d < dimensions; d++) vector[d] = (sum[d] as number) / length;
}
