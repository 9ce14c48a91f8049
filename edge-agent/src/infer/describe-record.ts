// An escalation and its answer as apps read them: over HTTP, on the stream, in a webhook.

import type { EscalationRecord } from './escalation-store.ts';

/** @param labelsOf of the version that asked: its classes need not be those of what runs today */
export function describeRecord(
  record: EscalationRecord,
  labelsOf: (model: string, version: string) => readonly string[] | undefined,
) {
  const labels = labelsOf(record.model, record.version);
  const label = (index: number): string => labels?.[index] ?? String(index);
  const { requestId, clientId, model, version, local, delivery, answer } = record;
  return {
    request_id: requestId,
    ...(clientId === undefined ? {} : { id: clientId }),
    model_name: model,
    model_version: version,
    delivery,
    local: { ...local, label: label(local.label) },
    ...(answer === undefined
      ? {}
      : answer.kind === 'failed'
        ? { failed: { code: answer.code, message: answer.message } }
        : {
            answer: {
              source: 'cloud',
              exit: answer.exit,
              label: label(answer.label),
              confidence: answer.confidence,
              model_digest: answer.variant,
            },
          }),
  };
}
