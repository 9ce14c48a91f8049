// Tensors that are this device's own (a local head, arXiv 1912.00818): it puts its own in the place of those that came, and
// takes what training did to them out of what it sends.

import { collect, defined, err, failure, ok, type Result } from '@skerry/shared';
import { type ParameterLayout, readVector, vectorBytes } from '@skerry/sync-protocol/learn';
import type { ClientState, EvaluatedReply, EvaluateMessage, Mod, TrainMod } from '../client-app.ts';

const slot = 'personal';

/** From where to where a tensor lies in the vector. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** Fails where the layout has no such tensor. */
export function spansOf(layout: ParameterLayout, names: readonly string[]): Result<Span[]> {
  const spans = new Map<string, Span>();
  let at = 0;
  for (const { name, shape } of layout.tensors) {
    const end = at + shape.reduce((size, n) => size * n, 1);
    spans.set(name, { start: at, end });
    at = end;
  }
  return collect(
    names.map((name): Result<Span> => {
      const span = spans.get(name);
      return span ? ok(span) : err(failure('invalid_argument', `no tensor is named '${name}'`));
    }),
  );
}

export const personaliseTrain: TrainMod = async (message, context, next) => {
  if (message.type !== 'train') return next(message, context);
  const { plan } = message;
  const spans = spansOf(plan.layout, plan.personal ?? []);
  if (!spans.ok) return spans;
  const parameters = own(message.parameters, spans.value, context.state);
  const reply = await next({ ...message, parameters }, context);
  if (!reply.ok || reply.value.type !== 'trained') return reply;
  const { delta } = reply.value;
  const after = parameters.map((value, i) => value + defined(delta[i], 'a delta’s element'));
  context.state.put(slot, vectorBytes(gather(after, spans.value)));
  const { control, ...trained } = reply.value;
  return ok({
    ...trained,
    delta: without(delta, spans.value),
    ...(control && { control: without(control, spans.value) }),
  });
};

/** What a device would answer with: its own tensors in what came. */
export const personaliseEvaluate: Mod<EvaluateMessage, EvaluatedReply> = async (
  message,
  context,
  next,
) => {
  const spans = spansOf(message.plan.layout, message.plan.personal ?? []);
  if (!spans.ok) return spans;
  return next(
    { ...message, parameters: own(message.parameters, spans.value, context.state) },
    context,
  );
};

/** Before the first round, and after another layout's, they are those that came. */
function own(parameters: Float32Array, spans: readonly Span[], state: ClientState): Float32Array {
  const kept = state.get(slot);
  const size = spans.reduce((sum, { start, end }) => sum + end - start, 0);
  const mine = kept && readVector(kept, size);
  if (!mine?.ok) return parameters;
  const vector = parameters.slice();
  let at = 0;
  for (const { start, end } of spans) {
    vector.set(mine.value.subarray(at, at + end - start), start);
    at += end - start;
  }
  return vector;
}

function gather(vector: Float32Array, spans: readonly Span[]): Float32Array {
  const parts = new Float32Array(spans.reduce((sum, { start, end }) => sum + end - start, 0));
  let at = 0;
  for (const { start, end } of spans) {
    parts.set(vector.subarray(start, end), at);
    at += end - start;
  }
  return parts;
}

function without(vector: Float32Array, spans: readonly Span[]): Float32Array {
  const rest = vector.slice();
  for (const { start, end } of spans) rest.fill(0, start, end);
  return rest;
}
