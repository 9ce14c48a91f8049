// What the devices of a simulated fleet say between two Exchanges: mostly nothing but their status, sometimes numbers,
// seldom a question or a change of their twin. All of it is what the coordinator does its whole work for.

import { createHash } from 'node:crypto';
import type { Random } from '@skerry/shared';
import { sha256, systemClock } from '@skerry/shared/node';
import type {
  DeviceStatus,
  DocumentChange,
  Escalation,
  UpBody,
  UpKind,
} from '@skerry/sync-protocol';
import { createWorkerEngine } from '@skerry/sync-protocol/automerge';
import { createReplica, encodeFrame, twinOf, writableBy } from '@skerry/sync-protocol/documents';
import {
  createMemoryDocumentDisk,
  createMemoryDocumentLog,
  sampleForget,
  sampleLearnReply,
  sampleQuestion,
  sampleTurn,
  sampleUpdateReport,
} from '@skerry/sync-protocol/testing';
import { expectOk } from './in-process-agent.ts';

/** How many ops of each kind a device appends in one interval, on average. */
export const appendsPerInterval: Readonly<Record<UpKind, number>> = {
  telemetry: 0.1,
  escalation: 0.02,
  'document-change': 0.01,
  // Once in a rollout, and in a round.
  'update-report': 0,
  'learn-reply': 0,
  question: 0,
  turn: 0,
  forget: 0,
};

export interface FleetOps {
  next(kind: UpKind, device: string): Promise<UpBody>;
  close(): Promise<void>;
}

/** @param question an escalation that the coordinator can answer; each device asks it under an id of its own */
export function createFleetOps(question: Escalation, random: Random): FleetOps {
  const engine = createWorkerEngine();
  const replica = createReplica({
    engine,
    log: createMemoryDocumentLog(createMemoryDocumentDisk()),
    random,
    clock: systemClock,
    author: createHash('sha256').update('fleet').digest('hex').slice(0, 16),
    onChanged() {},
  });
  let count = 0;

  const changeTwin = async (device: string): Promise<DocumentChange> => {
    const document = twinOf(device);
    const before = expectOk(await replica.state(document));
    const patch = { reported: { temperature: count, firmware: '1.0.0' } };
    const { epoch, heads } = expectOk(
      await replica.patch(document, patch, writableBy('device', 'device')),
    );
    const changes = expectOk(await replica.since(document, before.heads));
    const content = { kind: 'changes' as const, changes: [...changes] };
    const frame = encodeFrame({ document, epoch, heads: [...heads], id: count, content }, sha256);
    return { kind: 'document-change', document, frame: expectOk(frame) };
  };

  return {
    async next(kind, device) {
      count++;
      if (kind === 'document-change') return changeTwin(device);
      if (kind === 'escalation') return { ...question, requestId: `${device}-${count}` };
      if (kind === 'update-report') return sampleUpdateReport();
      if (kind === 'learn-reply') return sampleLearnReply();
      if (kind === 'question') return sampleQuestion();
      if (kind === 'turn') return sampleTurn();
      if (kind === 'forget') return sampleForget();
      return { kind, values: { cpu: random.next(), memory: random.next(), temperature: 40 } };
    },
    close: engine.close,
  };
}

/** As an agent's that has answered two requests since the last one. */
export function statusOf(device: string, nowMs: number, { variant, model, version }: Escalation) {
  const decision = (atMs: number): DeviceStatus['recent'][number] => ({
    requestId: `${device}-${atMs}`,
    atMs,
    model,
    source: 'exit:1',
    label: '7',
    confidence: 0.998,
    reason: 'confident',
    latencyMs: 2.5,
  });
  return {
    agentVersion: '0.1.0',
    target: 'linux-arm64',
    site: 'default',
    models: [{ name: model, version, variant }],
    counts: {
      answered: 1_000,
      atExit: { 'exit:1': 980 },
      escalated: 20,
      cloudInTime: 15,
      degraded: 0,
      late: 5,
      failed: 0,
    },
    queue: { ops: 0, bytes: 0 },
    recent: [decision(nowMs - 20_000), decision(nowMs - 5_000)],
  } satisfies DeviceStatus;
}
