// Messages for tests: valid, small, and told apart by a number.

import type { LearnReply, LearnTask } from '../learn/messages.ts';
import type { LearnPlan } from '../learn/plan.ts';
import type {
  Ack,
  Answer,
  DeviceStatus,
  DocumentChange,
  Escalation,
  Exchange,
  Reply,
  Telemetry,
  UpOp,
} from '../messages.ts';
import { protocolVersion } from '../messages.ts';
import type { Question } from '../text/question.ts';
import type { Forget, WireTurn } from '../text/turn.ts';
import type { Assignment, ModelAssignment } from '../update/assignment.ts';
import type { UpdateReport } from '../update/report.ts';

const variant = `sha256:${'a'.repeat(64)}`;

export function sampleEscalation(requestId: string, inputBytes = 16): Escalation {
  return {
    kind: 'escalation',
    requestId,
    model: 'digits',
    version: '1.0.0',
    variant,
    stage: 'cloud',
    input: {
      name: 'cut',
      datatype: 'INT8',
      shape: [1, inputBytes],
      codec: 'raw',
      data: new Uint8Array(inputBytes).fill(7),
    },
    local: { exit: 1, label: 3, confidence: 0.5 },
    deadlineLeftMs: 100,
  };
}

export function sampleAnswer(requestId: string, probabilities: readonly number[] = [0, 1]): Answer {
  return {
    kind: 'answer',
    requestId,
    outcome: {
      kind: 'answered',
      exit: 2,
      label: 1,
      confidence: 0.99,
      probabilities: [...probabilities],
      variant,
    },
  };
}

export function sampleDocumentChange(document = 'device/notes', frameBytes = 8): DocumentChange {
  return { kind: 'document-change', document, frame: new Uint8Array(frameBytes).fill(5) };
}

export function sampleTelemetry(load = 0.5): Telemetry {
  return { kind: 'telemetry', values: { load } };
}

export function sampleUpdateReport(more: Partial<UpdateReport> = {}): UpdateReport {
  return {
    kind: 'update-report',
    model: 'digits',
    version: '1.1.0',
    bundle: `sha256:${'b'.repeat(64)}`,
    counter: 1,
    state: 'assigned',
    attempt: 1,
    ...more,
  };
}

export function sampleQuestion(requestId = 'q-1'): Question {
  return {
    kind: 'question',
    requestId,
    model: 'small',
    messages: [{ role: 'user', content: 'How deep?' }],
  };
}

export function sampleTurn(turn = 't-1', more: Partial<WireTurn> = {}): WireTurn {
  return {
    kind: 'turn',
    share: 'site',
    reader: 'ann',
    conversation: 'shift-1',
    turn,
    atMs: 1,
    question: 'How deep?',
    said: { text: 'Four fathoms.', citations: [], unverified: [] },
    source: 'library',
    read: [],
    ...more,
  };
}

export function sampleForget(more: Partial<Forget> = {}): Forget {
  return {
    kind: 'forget',
    share: 'site',
    reader: 'ann',
    conversation: 'shift-1',
    gone: { what: 'until', atMs: 1 },
    ...more,
  };
}

export function sampleLearnPlan(more: Partial<LearnPlan> = {}): LearnPlan {
  return {
    version: 1,
    model: 'digits',
    base: `sha256:${'a'.repeat(64)}`,
    network: { kind: 'named', name: '2nn' },
    trains: 'all',
    layout: { tensors: [{ name: 'w', shape: [3] }] },
    epochs: 1,
    batch: 2,
    learningRate: 0.5,
    compression: { kind: 'none' },
    examplesMin: 1,
    examplesMax: 10,
    holdOut: 0,
    seed: 1,
    ...more,
  };
}

export function sampleLearnTask(more: Partial<LearnTask> = {}): LearnTask {
  return {
    kind: 'learn-task',
    run: 'run-1',
    round: 1,
    attempt: 1,
    deadlineLeftMs: 60_000,
    work: { type: 'end', reason: 'the run has ended' },
    ...more,
  };
}

export function sampleLearnReply(more: Partial<LearnReply> = {}): LearnReply {
  return {
    kind: 'learn-reply',
    run: 'run-1',
    round: 1,
    attempt: 1,
    result: {
      type: 'trained',
      examples: 100,
      steps: 10,
      completed: 1,
      update: { digest: `sha256:${'c'.repeat(64)}`, bytes: 400 },
      metrics: { loss: 0.5 },
    },
    ...more,
  };
}

export function sampleModelAssignment(more: Partial<ModelAssignment> = {}): ModelAssignment {
  return {
    model: 'digits',
    version: '1.1.0',
    target: 'digits/1.1.0/manifest.json',
    bundle: { digest: `sha256:${'b'.repeat(64)}`, bytes: 1_000 },
    deltas: [],
    fetch: { afterMs: 0, windowMs: 0 },
    activate: { afterMs: 0, windowMs: 0 },
    metered: 'wait',
    soak: {
      forMs: 1_000,
      requestsMin: 10,
      limits: {
        failureShareMax: 0.01,
        latencyRatioMax: 1.5,
        exitShareDropMax: 0.1,
        disagreementRiseMax: 0.1,
      },
    },
    timeouts: { fetchMs: 60_000, shadowMs: 60_000, activateMs: 60_000, soakMs: 60_000 },
    ...more,
  };
}

export function sampleAssignment(more: Partial<Assignment> = {}): Assignment {
  return {
    schema: 'skerry.assignment/1',
    device: 'device-1',
    counter: 1,
    issuedMs: 1_750_000_000_000,
    mode: 'run',
    models: [sampleModelAssignment()],
    quarantined: [],
    ...more,
  };
}

export function sampleUpOp(seq: number): UpOp {
  return { seq, atMs: seq, body: sampleEscalation(`r${seq}`) };
}

export function sampleExchange(more: Partial<Exchange> = {}): Exchange {
  return {
    v: protocolVersion,
    type: 'exchange',
    device: 'device-1',
    epoch: 'epoch-1',
    exchangeId: 'x1',
    oldest: protocolVersion,
    boot: 1,
    assigned: { urgent: 1_000, normal: 1_000, bulk: 1_000 },
    cursor: 0,
    ops: [],
    more: false,
    ...more,
  };
}

/** All ops of the sample epoch's urgent lane up to `seq`. */
export const sampleAcks = (seq: number, epoch = 'epoch-1'): Ack[] => [
  { epoch, lane: 'urgent', seq },
];

export function sampleReply(more: Partial<Reply> = {}): Reply {
  return {
    v: protocolVersion,
    type: 'reply',
    device: 'device-1',
    epoch: 'epoch-1',
    exchangeId: 'x1',
    acks: [],
    after: 0,
    ops: [],
    more: false,
    nextExchangeMs: 30_000,
    pauseMs: 0,
    ...more,
  };
}

export function sampleStatus(): DeviceStatus {
  return {
    agentVersion: '0.1.0',
    target: 'linux-x64',
    models: [],
    counts: {
      answered: 1,
      atExit: { 1: 1 },
      escalated: 0,
      cloudInTime: 0,
      degraded: 0,
      late: 0,
      failed: 0,
    },
    queue: { ops: 0, bytes: 0 },
    recent: [],
  };
}
