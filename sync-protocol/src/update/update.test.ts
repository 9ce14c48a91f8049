import { describe, expect, it } from 'vitest';
import { encodeBody, opsBytesMax } from '../index.ts';
import { sampleAssignment, sampleModelAssignment, sampleUpdateReport } from '../testing/samples.ts';
import {
  assignmentBytesMax,
  deltaOffersMax,
  quarantinedMax,
  readAssignment,
} from './assignment.ts';
import { type Health, healthLabelsMax } from './report.ts';

const utf8 = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const digest = `sha256:${'c'.repeat(64)}`;
const blob = { digest, bytes: 1_000_000 };

describe('an assignment', () => {
  it('[ASG1] is read as it was written', () => {
    const assignment = sampleAssignment();
    expect(readAssignment(utf8(assignment))).toEqual({ ok: true, value: assignment });
  });

  it.each([
    ['no JSON', new TextEncoder().encode('{')],
    ['a field too many', utf8({ ...sampleAssignment(), also: 1 })],
    ['another schema', utf8({ ...sampleAssignment(), schema: 'skerry.assignment/2' })],
    ['a counter that no device has reached', utf8({ ...sampleAssignment(), counter: 0 })],
    [
      'no soak',
      utf8({ ...sampleAssignment(), models: [{ ...sampleModelAssignment(), soak: undefined }] }),
    ],
    [
      'a state without an end',
      utf8({
        ...sampleAssignment(),
        models: [
          sampleModelAssignment({
            timeouts: { fetchMs: 0, shadowMs: 60_000, activateMs: 60_000, soakMs: 60_000 },
          }),
        ],
      }),
    ],
    [
      'more offers than may be',
      utf8({
        ...sampleAssignment(),
        models: [
          sampleModelAssignment({
            deltas: new Array(deltaOffersMax + 1).fill({ base: digest, target: digest, blob }),
          }),
        ],
      }),
    ],
  ])('[ASG1] with %s is refused', (_, bytes) => {
    expect(readAssignment(bytes)).toMatchObject({ error: { code: 'malformed_message' } });
  });

  it('[ASG2] fits one op with every offer of a model and a full quarantine, in base64 too', () => {
    const full = sampleAssignment({
      quarantined: new Array(quarantinedMax).fill(digest),
      models: [
        sampleModelAssignment({
          deltas: new Array(deltaOffersMax).fill({ base: digest, target: digest, blob }),
        }),
      ],
    });
    const envelopeBytes = Math.ceil(utf8(full).length / 3) * 4 + 1_024;
    expect(envelopeBytes).toBeLessThanOrEqual(assignmentBytesMax);
    const envelope = new Uint8Array(assignmentBytesMax);
    expect(encodeBody({ kind: 'assignment', envelope }).ok).toBe(true);
  });

  it('[ASG2] and so does a report with everything', () => {
    const agreement = { answers: 2 ** 40, agreed: 2 ** 40 };
    const health: Health = {
      overMs: 2 ** 40,
      requests: 2 ** 40,
      failures: 2 ** 40,
      atExit: 2 ** 40,
      escalated: 2 ** 40,
      degraded: 2 ** 40,
      cloud: agreement,
      audit: agreement,
      shadow: agreement,
      latency: { p50Ms: 0.1, p95Ms: 0.2 },
      memoryBytes: 2 ** 40,
      labels: new Array(healthLabelsMax).fill(2 ** 40),
    };
    const report = sampleUpdateReport({
      reason: { code: 'x'.repeat(64), message: 'y'.repeat(512) },
      running: digest,
      moved: { bytes: 2 ** 40, fullBytes: 2 ** 40, way: 'delta' },
      health,
      baseline: health,
    });
    const encoded = encodeBody(report);
    expect(encoded.ok && encoded.value.length < opsBytesMax / 16).toBe(true);
  });
});
