// How a request becomes an example: its input is remembered for a while, and a person, or the cloud, later says what was
// right. Nothing is remembered of a model that nobody has consented for.

import type { Tensor } from '@skerry/models';
import { type Clock, createId, err, failure, ok, type Random, type Result } from '@skerry/shared';
import type { Answer } from '@skerry/sync-protocol';
import type { Model } from '../infer/model.ts';
import type { InferenceAnswer } from '../infer/request.ts';
import type {
  Consent,
  Example,
  ExampleBounds,
  ExampleSource,
  ExampleStore,
  ExampleUse,
  KeptInput,
} from './example-store.ts';

export interface KeepExamplesPorts {
  readonly store: ExampleStore;
  /** Of the version that asked, or of the one that runs. */
  readonly labelsOf: (model: string, version?: string) => readonly string[] | undefined;
  readonly clock: Pick<Clock, 'nowMs' | 'after'>;
  readonly random: Random;
  readonly consent: (model: string) => Consent;
}

export interface Told {
  /** By its name. */
  readonly label: string;
  readonly use?: ExampleUse;
  /** Shorter than the device's own. */
  readonly keepMs?: number;
}

export interface KeepExamples {
  /** A request is about to run; the input is copied now, for a run may move its buffer. */
  offer(model: Model, input: Tensor): ((answer: InferenceAnswer) => void) | undefined;
  /** A person says what would have been right. Fails with `not_found` where its input is remembered no longer. */
  correct(request: string, told: Told): Result<Example>;
  /** An input that no request brought. */
  add(model: string, input: KeptInput, told: Told): Result<Example>;
  /** After the transaction that applies it. */
  cloudAnswered(answer: Answer): void;
  /** Of that model, and what was remembered of its requests. */
  forget(model: string): void;
}

/** Inputs of answered requests in memory, for a person's word: of all models. */
export const rememberedMax = 256;
export const rememberedBytesMax = 16 * 1024 * 1024;

interface Remembered extends KeptInput {
  readonly model: string;
  readonly version: string;
}

export function createKeepExamples(
  { store, labelsOf, clock, random, consent }: KeepExamplesPorts,
  { retentionMs }: Pick<ExampleBounds, 'retentionMs'>,
): KeepExamples {
  /** By request, the oldest first. */
  const remembered = new Map<string, Remembered>();
  let bytes = 0;

  const forget = (request: string): void => {
    const known = remembered.get(request);
    if (known === undefined) return;
    remembered.delete(request);
    bytes -= known.data.length;
  };

  const remember = (request: string, input: Remembered): void => {
    remembered.set(request, input);
    bytes += input.data.length;
    for (const [oldest] of remembered) {
      if (remembered.size <= rememberedMax && bytes <= rememberedBytesMax) break;
      forget(oldest);
    }
  };

  const keep = (
    model: string,
    { datatype, shape, data }: KeptInput,
    { label, use = 'train', keepMs = retentionMs }: Told,
    source: ExampleSource,
    request?: string,
  ): Result<Example> => {
    const keptMs = clock.nowMs();
    const example: Example = {
      id: createId(keptMs, random),
      model,
      label,
      source,
      use,
      keptMs,
      expiresMs: keptMs + Math.min(keepMs, retentionMs),
      datatype,
      shape,
      data,
      ...(request === undefined ? {} : { request }),
    };
    const added = store.add(example);
    return added.ok ? ok(example) : added;
  };

  return {
    offer(model, input) {
      const { name, version, labels } = model.manifest;
      const allowed = consent(name);
      if (!allowed.people && !allowed.cloud) return undefined;
      const { datatype, shape, data } = input;
      const copy = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
      const kept = { model: name, version, datatype, shape: shape.slice(1), data: copy };
      return ({ requestId, source, label, pending }) => {
        // It may have been withdrawn while the request ran.
        if (allowed.people && consent(kept.model).people) remember(requestId, kept);
        const answered = labels[label];
        // Not in the request's way.
        if (!allowed.cloud) return;
        clock.after(0, () => {
          if (!consent(kept.model).cloud) return;
          if (source === 'cloud' && answered !== undefined)
            keep(kept.model, kept, { label: answered }, 'cloud', requestId);
          else if (pending)
            store.keepAsked({ ...kept, request: requestId, askedMs: clock.nowMs() });
        });
      };
    },

    correct(request, told) {
      const known = remembered.get(request) ?? store.asked(request);
      // What is kept for the cloud's word alone is for the cloud's word alone.
      if (known === undefined || !consent(known.model).people)
        return err(failure('not_found', 'the input of that request is remembered no longer'));
      const labels = labelsOf(known.model);
      if (!labels?.includes(told.label)) return noLabel(known.model, told.label);
      return keep(known.model, known, told, 'person', request);
    },

    add(model, input, told) {
      if (!consent(model).people)
        return err(
          failure('permission_denied', `nobody has consented to keep examples of ${model}`),
        );
      const labels = labelsOf(model);
      if (labels === undefined) return err(failure('model_not_found', `no model '${model}'`));
      if (!labels.includes(told.label)) return noLabel(model, told.label);
      return keep(model, input, told, 'person');
    },

    cloudAnswered({ requestId, outcome }) {
      const asked = store.asked(requestId);
      if (asked === undefined) return;
      store.forgetAsked(requestId);
      if (outcome.kind !== 'answered') return;
      if (!consent(asked.model).cloud) return;
      const label = labelsOf(asked.model)?.[outcome.label];
      if (label !== undefined) keep(asked.model, asked, { label }, 'cloud', requestId);
    },

    forget(model) {
      for (const [request, known] of remembered) if (known.model === model) forget(request);
    },
  };
}

const noLabel = (model: string, label: string): Result<never> =>
  err(failure('invalid_argument', `${model} has no label '${label.slice(0, 64)}'`));
