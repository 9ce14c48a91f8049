// The device inside a page. It loads the agent's bundle into onnxruntime-web, tests it there, and decides as the agent
// does, by the same code; what it is unsure of goes to the agent, which owns the outbox, the deadline and the last word.

import { createOnnxWasmRuntime, type Manifest, type Tensor, tensorBytes } from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import { assert, defined, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { loadModel, type Model, type StageOutcome, selfTest } from '../infer/model.ts';
import { type Decision, decide, type Policy, unconstrained } from '../route/decide.ts';

export interface BrowserPorts {
  readonly fetch: (path: string, timeoutMs: number, init?: RequestInit) => Promise<Response>;
  /** Undefined where the browser has none: outside a secure context. */
  readonly sha256: ((bytes: Uint8Array<ArrayBuffer>) => Promise<string>) | undefined;
  readonly nowMs: () => number;
}

export interface BrowserAnswer {
  /** `exit:1`, … computed here; or what the agent says: `cloud` or `cache`. */
  readonly source: string;
  readonly label: number;
  readonly confidence: number;
  readonly probabilities: readonly number[];
  readonly degraded: boolean;
  readonly pending: boolean;
  readonly reason: string;
  /** Where the agent was asked: the id that a late answer carries. */
  readonly requestId?: string;
  /** Bytes that left the page. */
  readonly sentBytes: number;
  readonly latencyMs: number;
}

export interface BrowserDevice {
  readonly manifest: Manifest;
  readonly variant: Bundle['variant'];
  /** Golden inputs that this browser answered as the bundle promises. */
  readonly tested: number;
  infer(input: Tensor, policy: Policy, deadlineMs: number): Promise<Result<BrowserAnswer>>;
}

/** What an answer over the agent takes beyond the deadline, at most, before the page answers by itself. */
const agentGraceMs = 2_000;
const bundleTimeoutMs = 60_000;

/** Fails with what the agent refuses with, `digest_mismatch`, or `invalid_bundle` where it does not run here. */
export async function openBrowserDevice(
  name: string,
  ports: BrowserPorts,
): Promise<Result<BrowserDevice>> {
  const bundle = await fetchBundle(name, ports);
  if (!bundle.ok) return bundle;
  const { manifest, variant } = bundle.value;
  const model = await loadModel(bundle.value, createOnnxWasmRuntime, { threads: 1 });
  if (!model.ok) return model;
  const tested = await selfTest(model.value);
  if (!tested.ok) return tested;
  return ok({
    manifest,
    variant,
    tested: tested.value,
    async infer(input, policy, deadlineMs) {
      const startedMs = ports.nowMs();
      const ran = await runStages(model.value, input, policy, deadlineMs);
      if (!ran.ok) return ran;
      const { decision, ...computed } = ran.value;
      const leftMs = Math.max(1, deadlineMs - (ports.nowMs() - startedMs));
      const asks =
        decision.kind === 'escalate' || (decision.kind === 'degraded' && decision.escalate);
      const answer = asks
        ? await askAgent(ports, model.value, computed, policy, leftMs)
        : {
            ...answerAt(computed.outcome),
            degraded: decision.kind === 'degraded',
            reason: decision.reason,
            pending: false,
            sentBytes: 0,
          };
      return ok({ ...answer, latencyMs: ports.nowMs() - startedMs });
    },
  });
}

async function fetchBundle(name: string, { fetch, sha256 }: BrowserPorts): Promise<Result<Bundle>> {
  try {
    const response = await fetch(`/v1/bundles/${name}`, bundleTimeoutMs);
    if (!response.ok) return err(failure('unavailable', `the agent says ${response.status}`));
    const { digest, manifest, variant } = (await response.json()) as Omit<Bundle, 'stages'>;
    const stages = new Map<string, Uint8Array>();
    for (const stage of manifest.stages.filter(({ side }) => side === 'edge')) {
      const file = await fetch(`/v1/bundles/${name}/stages/${stage.name}`, bundleTimeoutMs);
      if (!file.ok)
        return err(failure('unavailable', `stage ${stage.name}: the agent says ${file.status}`));
      const bytes = new Uint8Array(await file.arrayBuffer());
      const found = await sha256?.(bytes);
      if (found !== undefined && found !== variant.files[stage.name]?.sha256)
        return err(failure('digest_mismatch', `stage ${stage.name} is ${found}`));
      stages.set(stage.name, bytes);
    }
    return ok({ digest, manifest, variant, stages });
  } catch (thrown) {
    return err(failure('unavailable', messageOf(thrown)));
  }
}

interface Computed {
  readonly outcome: StageOutcome;
  /** Of the stage that it left from, among those of the device. */
  readonly place: number;
  readonly decision: Decision;
}

async function runStages(
  model: Model,
  input: Tensor,
  policy: Policy,
  deadlineLeftMs: number,
): Promise<Result<Computed>> {
  let next = input;
  for (let place = 0; ; place++) {
    const ran = await model.runStage(place, next);
    if (!ran.ok) return ran;
    const outcome = ran.value;
    const { threshold, hasNextEdgeStage, hasCloudStage } = outcome;
    const decision = decide({
      ...unconstrained,
      policy,
      confidence: outcome.prediction.confidence,
      threshold,
      hasNextEdgeStage,
      hasCloudStage,
      deadlineLeftMs,
      // The agent alone knows it, and decides again.
      link: { state: 'up' },
    });
    if (decision.kind !== 'next-stage') return ok({ outcome, place, decision });
    assert(outcome.cut !== undefined, 'a stage that another follows has a cut');
    next = outcome.cut.tensor;
  }
}

async function askAgent(
  { fetch }: BrowserPorts,
  { bundle, manifest: { name, stages, exits } }: Model,
  { place, outcome }: Omit<Computed, 'decision'>,
  policy: Policy,
  deadlineMs: number,
): Promise<Omit<BrowserAnswer, 'latencyMs'>> {
  const stage = defined(stages.filter(({ side }) => side === 'edge')[place], 'the stage that ran');
  const logits = defined(
    exits.find(({ index }) => index === outcome.exit),
    'its exit',
  ).logits;
  const data = Float32Array.from(outcome.logits);
  const body = encodeResults(
    [
      [logits, { datatype: 'FP32', shape: [1, data.length], data }],
      ...(outcome.cut ? [[outcome.cut.name, outcome.cut.tensor] as const] : []),
    ],
    { skerry_policy: policy, skerry_deadline_ms: Math.ceil(deadlineMs) },
  );
  const sentBytes = body.bytes.byteLength;
  const unanswered = { ...answerAt(outcome), degraded: true, pending: false, sentBytes };
  try {
    const response = await fetch(
      `/v1/escalations/${name}/${stage.name}`,
      deadlineMs + agentGraceMs,
      {
        method: 'POST',
        headers: {
          'inference-header-content-length': String(body.headerLength),
          'skerry-bundle': bundle,
        },
        body: body.bytes,
      },
    );
    // Of the agent that served this page.
    const answer = (await response.json()) as BrowserAnswer & { readonly code: string };
    if (response.ok) return { ...answer, sentBytes };
    return { ...unanswered, reason: `agent: ${answer.code}` };
  } catch {
    return { ...unanswered, reason: 'the agent cannot be reached' };
  }
}

const answerAt = ({ exit, prediction }: StageOutcome) => ({
  source: `exit:${exit}`,
  label: prediction.index,
  confidence: prediction.confidence,
  probabilities: [...prediction.probabilities],
});

/** An Open Inference Protocol request with the binary tensor data extension. */
function encodeResults(
  tensors: readonly (readonly [string, Tensor])[],
  parameters: Readonly<Record<string, string | number>>,
): { bytes: Uint8Array<ArrayBuffer>; headerLength: number } {
  const inputs = tensors.map(([name, tensor]) => ({
    name,
    datatype: tensor.datatype,
    shape: tensor.shape,
    parameters: { binary_data_size: tensor.data.byteLength },
  }));
  const header = new TextEncoder().encode(JSON.stringify({ parameters, inputs }));
  const parts = [header, ...tensors.map(([, tensor]) => tensorBytes(tensor))];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return { bytes, headerLength: header.byteLength };
}
