// An escalation and its answer as apps read them: over HTTP, on the stream, in a webhook.

import type { QuestionRecord } from '../retrieve/question-store.ts';
import type { EscalationRecord } from './escalation-store.ts';
import { isQuestion, type LateRecord } from './late-answers.ts';

type LabelsOf = (model: string, version: string) => readonly string[] | undefined;

/** @param labelsOf of the version that asked: its classes need not be those of what runs today */
export const describeRecord = (record: LateRecord, labelsOf: LabelsOf) =>
  isQuestion(record) ? describeQuestion(record) : describeEscalation(record, labelsOf);

function describeQuestion(record: QuestionRecord) {
  const { requestId, model, question, confidence, delivery, said, failed } = record;
  return {
    request_id: requestId,
    model_name: model,
    delivery,
    question,
    local: { confidence },
    ...(failed === undefined ? {} : { failed }),
    ...(said === undefined ? {} : { answer: { source: 'cloud', ...said } }),
  };
}

function describeEscalation(record: EscalationRecord, labelsOf: LabelsOf) {
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
