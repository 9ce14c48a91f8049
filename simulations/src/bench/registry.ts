// Every measurement by name. Each is loaded only by the process that runs it.

import type { CacheCostOptions, LookAlikeOptions } from './measurements/caches.ts';
import type { CascadeMemberOptions } from './measurements/cascade-member.ts';
import type { CutOffOptions } from './measurements/cut-off.ts';
import type { DigitsOptions } from './measurements/digits.ts';
import type { DocumentCatchUpOptions } from './measurements/document-catch-up.ts';
import type { DocumentFlipsOptions } from './measurements/document-flips.ts';
import type { EscalationBytesOptions } from './measurements/escalation-bytes.ts';
import type { FaultyCloudOptions } from './measurements/faulty-cloud.ts';
import type { FleetDevicesOptions } from './measurements/fleet-devices.ts';
import type { FleetLoadOptions } from './measurements/fleet-load.ts';
import type { GuaranteeOptions } from './measurements/guarantee.ts';
import type { InferOptions } from './measurements/infer-latency.ts';
import type { LoopLagOptions } from './measurements/loop-lag.ts';
import type { ModelDeltaOptions } from './measurements/model-delta.ts';
import type { NoiseOptions } from './measurements/noise.ts';
import type { ProviderSpeedOptions } from './measurements/provider-speed.ts';
import type { IntentOptions, RetrievalOptions } from './measurements/retrieval.ts';
import type { RoutingOptions } from './measurements/routing.ts';
import type { SecureAggregationOptions } from './measurements/secure-aggregation.ts';
import type { SentenceEmbeddingsOptions } from './measurements/sentence-embeddings.ts';
import type { ServingLoadOptions } from './measurements/serving-load.ts';
import type { VectorEngineOptions } from './measurements/vector-engine.ts';

export const measurements = {
  'infer-raw': async (options: InferOptions) =>
    (await import('./measurements/infer-raw.ts')).inferRaw(options),
  'infer-in-process': async (options: InferOptions) =>
    (await import('./measurements/infer-in-process.ts')).inferInProcess(options),
  'infer-http': async (options: InferOptions) =>
    (await import('./measurements/infer-http.ts')).inferHttp(options),
  'loop-lag': async (options: LoopLagOptions) =>
    (await import('./measurements/loop-lag.ts')).loopLag(options),
  'serving-load': async (options: ServingLoadOptions) =>
    (await import('./measurements/serving-load.ts')).servingLoad(options),
  'cut-off': async (options: CutOffOptions) =>
    (await import('./measurements/cut-off.ts')).cutOff(options),
  'faulty-cloud': async (options: FaultyCloudOptions) =>
    (await import('./measurements/faulty-cloud.ts')).faultyCloud(options),
  'escalation-bytes': async (options: EscalationBytesOptions) =>
    (await import('./measurements/escalation-bytes.ts')).escalationBytes(options),
  digits: async (options: DigitsOptions) =>
    (await import('./measurements/digits.ts')).digits(options),
  'model-delta': async (options: ModelDeltaOptions) =>
    (await import('./measurements/model-delta.ts')).modelDelta(options),
  guarantee: async (options: GuaranteeOptions) =>
    (await import('./measurements/guarantee.ts')).guarantee(options),
  routing: async (options: RoutingOptions) =>
    (await import('./measurements/routing.ts')).routing(options),
  'document-catch-up': async (options: DocumentCatchUpOptions) =>
    (await import('./measurements/document-catch-up.ts')).documentCatchUp(options),
  'automerge-sync': async (options: DocumentCatchUpOptions) =>
    (await import('./measurements/document-catch-up.ts')).automergeSync(options),
  'document-flips': async (options: DocumentFlipsOptions) =>
    (await import('./measurements/document-flips.ts')).documentFlips(options),
  'fleet-devices': async (options: FleetDevicesOptions) =>
    (await import('./measurements/fleet-devices.ts')).fleetDevices(options),
  'fleet-load': async (options: FleetLoadOptions) =>
    (await import('./measurements/fleet-load.ts')).fleetLoad(options),
  'cache-costs': async (options: CacheCostOptions) =>
    (await import('./measurements/caches.ts')).cacheCosts(options),
  'look-alikes': async (options: LookAlikeOptions) =>
    (await import('./measurements/caches.ts')).lookAlikes(options),
  noise: async (options: NoiseOptions) => (await import('./measurements/noise.ts')).noise(options),
  'sentence-embeddings': async (options: SentenceEmbeddingsOptions) =>
    (await import('./measurements/sentence-embeddings.ts')).sentenceEmbeddings(options),
  'secure-aggregation': async (options: SecureAggregationOptions) =>
    (await import('./measurements/secure-aggregation.ts')).secureAggregation(options),
  'provider-speed': async (options: ProviderSpeedOptions) =>
    (await import('./measurements/provider-speed.ts')).providerSpeed(options),
  retrieval: async (options: RetrievalOptions) =>
    (await import('./measurements/retrieval.ts')).retrieval(options),
  intents: async (options: IntentOptions) =>
    (await import('./measurements/retrieval.ts')).intents(options),
  'vector-engine': async (options: VectorEngineOptions) =>
    (await import('./measurements/vector-engine.ts')).vectorEngine(options),
  'cascade-member': async (options: CascadeMemberOptions) =>
    (await import('./measurements/cascade-member.ts')).cascadeMember(options),
};

export type Measurements = typeof measurements;
export type MeasurementName = keyof Measurements;
