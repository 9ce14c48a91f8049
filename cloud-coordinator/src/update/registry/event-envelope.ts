// A model's event as its log holds it: a DSSE envelope as text.

import { describeIssues, err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { type PublicKey, type Signer, signEnvelope, verifyEnvelope } from '@skerry/shared/node';
import { type ModelEvent, modelEventPayloadType, modelEventSchema } from './model-event.ts';

/** Of each kind, before it is known of which model it is and what it follows. */
export type Unchained = ModelEvent extends infer Event
  ? Event extends ModelEvent
    ? Omit<Event, 'previous' | 'model'>
    : never
  : never;

export async function sealEvent(event: ModelEvent, signer: Signer): Promise<Result<string>> {
  const checked = modelEventSchema.safeParse(event);
  if (!checked.success)
    return err(failure('invalid_argument', describeIssues(checked.error, 'the event')));
  const payload = new TextEncoder().encode(JSON.stringify(checked.data));
  const envelope = await signEnvelope(signer, modelEventPayloadType, payload);
  return envelope.ok ? ok(JSON.stringify(envelope.value)) : envelope;
}

/** Fails with `untrusted` for a signature that is none of ours, `storage_failed` for what is no event. */
export function openEvent(text: string, keys: readonly PublicKey[]): Result<ModelEvent> {
  const envelope = parseJson(new TextEncoder().encode(text), 'event', 'storage_failed');
  if (!envelope.ok) return envelope;
  const payload = verifyEnvelope(envelope.value, keys, 1, modelEventPayloadType);
  if (!payload.ok) return payload;
  const json = parseJson(payload.value, 'event', 'storage_failed');
  if (!json.ok) return json;
  const event = modelEventSchema.safeParse(json.value);
  return event.success
    ? ok(event.data)
    : err(failure('storage_failed', describeIssues(event.error, 'the event')));
}
