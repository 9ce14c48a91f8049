// The agent's configuration: every key, its default and its bounds.

import { providersSchema } from '@skerry/models';
import { zooDirectory } from '@skerry/models/node';
import {
  countSchema,
  defaultSite,
  listSchema,
  nameSchema,
  portSchema,
  requestDeadlineMsMax,
  secret,
  shareSchema,
} from '@skerry/shared';
import { logLevelSchema } from '@skerry/shared/node';
import { z } from 'zod';
import { librarySourcesSchema } from './retrieve/sources/source-config.ts';
import { policies } from './route/decide.ts';

/** Of a budget for one hour; 0: there is none. */
const perHourSchema = countSchema(0, 1e12).default(0);
const costSchema = countSchema(0, 1e12).default(0);

export const agentConfigSchema = z.object({
  device: nameSchema.default('device-1').describe('this device’s name in the fleet'),
  site: nameSchema.default(defaultSite).describe('the place whose devices share a document'),
  labels: listSchema
    .pipe(z.array(nameSchema).max(16))
    .optional()
    .describe('words by which rollouts pick devices, separated by commas'),
  target: z.string().max(64).default('unknown').describe('kind of hardware, for the operator'),
  dataDir: z.string().min(1).default('.skerry/agent').describe('where the store lies'),
  httpHost: z.string().default('127.0.0.1').describe('address of the local API'),
  httpPort: portSchema.default(8081).describe('port of the local API; 0 takes a free one'),
  grpcPort: portSchema
    .optional()
    .describe('port of the Open Inference Protocol over gRPC, at the same address; absent: none'),
  // The URL may hold a password.
  broker: secret(
    z
      .url({ protocol: /^mqtts?$/ })
      .default('mqtt://127.0.0.1:1883')
      .describe('the MQTT broker'),
  ),
  coordinatorUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'the coordinator’s HTTP address: enrolment, and blobs, which go over MQTT without it',
    ),
  blobQuotaBytes: countSchema(1024, 2 ** 40)
    .default(4 * 1024 ** 3)
    .describe('disk for blobs'),
  blobBytesPerSecond: countSchema(0, 2 ** 40)
    .default(0)
    .describe('cap on moving blobs; 0 is none'),
  updateRoot: z
    .string()
    .min(1)
    .optional()
    .describe('file with the root of trust (TUF root.json) of updates; absent: none are taken'),
  metered: z
    .enum(['no', 'yes'])
    .default('no')
    .describe('yes: the link costs by the byte, and an update may have to wait for another'),
  learnModels: listSchema
    .pipe(z.array(nameSchema).max(16))
    .optional()
    .describe(
      'models that may learn from labels that people give, separated by commas; absent: none',
    ),
  learnCloudLabels: z
    .enum(['no', 'yes'])
    .default('no')
    .describe('yes: they may learn from what the cloud has answered, too'),
  learnLabelsTold: z
    .enum(['no', 'yes'])
    .default('yes')
    .describe(
      'no: the operator hears how many examples there are, not of which labels; queries are answered behind masks alone',
    ),
  learnExamplesMax: countSchema(1, 1_000_000)
    .default(10_000)
    .describe('examples kept of a model; then the oldest of its most frequent label goes'),
  learnBytesMax: countSchema(1024, 2 ** 40)
    .default(64 * 1024 ** 2)
    .describe('their bytes, of all models'),
  learnRetentionMs: countSchema(1_000, 31_536_000_000)
    .default(2_592_000_000)
    .describe('how long an example is kept'),
  learnIdleMs: countSchema(0, 86_400_000)
    .default(10_000)
    .describe('training begins once nothing was asked for so long'),
  learnCharging: z
    .enum(['required', 'any'])
    .default('required')
    .describe('any: training may run on a battery that drains'),
  learnBatteryShareMin: shareSchema
    .default(0.3)
    .describe('below it nothing is trained, charging or not'),
  learnCelsiusMax: countSchema(1, 150).default(75).describe('from it on nothing is trained'),
  learnMetered: z
    .enum(['declines', 'allowed'])
    .default('declines')
    .describe('allowed: a round may use a link that costs by the byte'),
  learnUpdates: z
    .enum(['any', 'masked'])
    .default('any')
    .describe('masked: updates leave only where the sum of several is all that anybody sees'),
  learnSumMin: countSchema(2, 64)
    .default(3)
    .describe('of how many updates a sum is at least that this device helps to open'),
  learnServer: z
    .enum(['curious', 'active'])
    .default('curious')
    .describe('active: masked rounds hold against a coordinator that lies, too'),
  learnEpsilonMax: z.coerce
    .number()
    .gt(0)
    .max(1_000)
    .default(8)
    .describe('privacy budget ε of a model’s updates with local noise, over all runs; δ is 1e-6'),
  computeMilliwatts: countSchema(0, 1e9)
    .default(2_000)
    .describe('what computing draws, by which the energy of shadow runs is estimated'),
  relayPort: portSchema
    .optional()
    .describe('makes this agent its site’s relay, for neighbours on this port; 0 takes a free one'),
  relayHost: z.string().default('0.0.0.0').describe('address that the relay’s neighbours reach'),
  relayBlobBytes: countSchema(0, 2 ** 40)
    .default(512 * 1024 ** 2)
    .describe('disk of a relay for blobs of updates that neighbours may still want'),
  relayBlobBytesPerSecond: countSchema(0, 2 ** 40)
    .default(0)
    .describe('cap on what a relay’s neighbours read of them; 0 is none'),
  relayBlobReads: countSchema(1, 1_024).default(8).describe('reads of them by neighbours at once'),
  relayUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'the site’s relay: keeps the site’s document in step without the cloud, and has copies of updates',
    ),
  joinToken: secret(z.string().optional().describe('an operator’s token, for the first start')),
  insecure: z.enum(['plaintext']).optional().describe('lets traffic off loopback be read'),
  bundles: listSchema
    .prefault(`${zooDirectory}/digits`)
    .describe('folders of the bundles to serve, separated by commas'),
  modelControl: z
    .enum(['none', 'explicit'])
    .default('none')
    .describe('explicit: who reaches the local API may load and unload models'),
  variant: nameSchema
    .optional()
    .describe(
      'the build of each bundle that this device runs; a bundle’s first, where none is named',
    ),
  policy: z.enum(policies).default('sync-with-deadline').describe('where answers come from'),
  deadlineMs: countSchema(1, requestDeadlineMsMax)
    .default(250)
    .describe('time to answer, where a request names none'),
  auditShare: shareSchema
    .default(0.01)
    .describe('of the confident answers, those that the cloud checks afterwards'),
  raceMargin: shareSchema
    .default(0.2)
    .describe(
      'how far below its threshold an answer may be to race the cloud against a tight deadline',
    ),
  batteryShareMin: shareSchema
    .default(0.15)
    .describe('below it a battery that drains sends nothing to the cloud'),
  celsiusMax: countSchema(1, 150)
    .default(90)
    .describe('from it on a device computes no further stage'),
  answerCache: z
    .enum(['off', 'on'])
    .default('off')
    .describe('on: a look-alike of what the cloud has answered is answered by that'),
  similarityMin: shareSchema
    .default(0.98)
    .describe('correlation of two cut tensors from which they are look-alikes'),
  cacheTtlMs: countSchema(1_000, 31_536_000_000)
    .default(86_400_000)
    .describe('how long a learned answer serves'),
  cacheEntriesMax: countSchema(1, 10_000).default(1_000).describe('learned answers kept'),
  cacheAuditShare: shareSchema
    .default(0.05)
    .describe('of the answers from the cache, those that the cloud checks afterwards'),
  lookAlikeCooldownMs: countSchema(0, 3_600_000)
    .default(0)
    .describe('for so long a look-alike of a question is not asked again; 0: each is asked'),
  escalationsPerHour: perHourSchema.describe(
    'questions to the cloud in an hour; 0: as many as come',
  ),
  escalationBytesPerHour: perHourSchema.describe('their bytes; 0: no bound'),
  moneyPerHour: perHourSchema.describe('what they may cost, in a unit of yours; 0: no bound'),
  moneyPerEscalation: costSchema.describe('what one costs, in the same unit'),
  millijoulesPerHour: perHourSchema.describe('their energy; 0: no bound'),
  millijoulesPerEscalation: costSchema.describe('the energy of one'),
  threads: countSchema(1, 64).default(1).describe('threads inside one operator'),
  executionProviders: providersSchema,
  workers: countSchema(1, 64).default(1).describe('worker threads that the models share'),
  memoryBytesMax: countSchema(1_048_576, 2 ** 40)
    .optional()
    .describe('memory for models; by default half of what this process may use'),
  inferQueueMax: countSchema(1, 100_000).default(256).describe('requests waiting for the model'),
  waitersMax: countSchema(1, 100_000).default(1024).describe('requests waiting for the cloud'),
  outboxOpsMax: countSchema(1, 10_000_000).default(100_000).describe('unacknowledged ops kept'),
  outboxBytesMax: countSchema(1024, 2 ** 40)
    .default(256 * 1024 * 1024)
    .describe('their bytes'),
  answersMax: countSchema(1, 10_000_000).default(100_000).describe('answered escalations kept'),
  // The URL may hold a password.
  webhookUrl: secret(
    z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('where late answers are pushed to, as Standard Webhooks has it'),
  ),
  webhookSecret: secret(
    z
      .string()
      .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, 'expected whsec_ and 24 to 64 bytes in base64')
      .optional()
      .describe('what they are signed with'),
  ),
  // The URL may hold a password.
  textUpstream: secret(
    z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('a server of texts at hand, with OpenAI’s API: llama.cpp, Ollama'),
  ),
  textUpstreamModel: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe('its name of the model that answers chats; that of the request, where none is named'),
  textUpstreamKey: secret(z.string().min(1).optional().describe('the key that it asks for')),
  languageModel: z
    .string()
    .min(1)
    .optional()
    .describe(
      'folder of a language model that answers texts in this process (npm run models -- language-model), in the place of a server',
    ),
  textRouter: z
    .string()
    .min(1)
    .optional()
    .describe('file of a text router: which questions that model may be trusted with; else none'),
  textAnswers: z
    .string()
    .min(1)
    .optional()
    .describe('file of answers written down before, for when nobody else can answer'),
  textDeadlineMs: countSchema(1, 600_000)
    .default(30_000)
    .describe('time to answer a text, or to begin to, where a request names none'),
  textRequestsMax: countSchema(1, 10_000).default(16).describe('texts under way at once'),
  embedder: z
    .string()
    .min(1)
    .optional()
    .describe(
      'folder of an embedder (npm run models -- embedder), or coordinator: its embedder, while there is a link; absent: words are searched',
    ),
  // A source may hold a password.
  librarySources: secret(
    librarySourcesSchema.describe(
      'what the library takes in by itself, as JSON: kind (folder, mqtt, sqlite, postgres), name, collection, trust, readers, and what is of its kind',
    ),
  ),
  libraryLookAlikesMax: countSchema(0, 1_000_000)
    .default(20)
    .describe('documents of one source in an hour that say nearly the same; 0: no bound'),
  libraryStrangers: z
    .enum(['off', 'mark', 'refuse'])
    .default('mark')
    .describe('what becomes of a document that is like nothing in its collection'),
  librarySourceShareMax: shareSchema
    .default(0.9)
    .describe('of what is found, the share of one source while others were found too'),
  libraryEngine: z
    .enum(['auto', 'sqlite-vec', 'memory', 'usearch'])
    .default('auto')
    .describe(
      'what searches the library’s vectors: bits in its files, all in memory, or a graph (usearch, where installed); auto: by their number',
    ),
  libraryMemoryMiB: countSchema(0, 65_536)
    .default(64)
    .describe('memory that the vectors of the library may take'),
  libraryChunking: z
    .enum(['fixed', 'recursive', 'semantic'])
    .default('recursive')
    .describe(
      'how documents that come are cut: as full as may be, at the text’s own breaks, or also where the meaning of its sentences turns',
    ),
  libraryExpansion: z
    .enum(['none', 'rm3'])
    .default('none')
    .describe('whether words of what a question’s own words find best are searched for too'),
  libraryReranker: z
    .string()
    .min(1)
    .optional()
    .describe(
      'folder of a larger embedder, or of a cross-encoder, that looks again at what was found best; else nothing does',
    ),
  libraryRerankMs: countSchema(1, 60_000)
    .default(500)
    .describe('time that it has for one question: what it did not come to keeps its place'),
  libraryOffers: listSchema
    .pipe(z.array(nameSchema).max(16))
    .optional()
    .describe(
      'collections of its own whose documents go up to the coordinator, for an operator to publish; absent: none',
    ),
  libraryAnswerModel: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe(
      'the text model that is given what the library found, where that is no answer by itself',
    ),
  conversationShare: z
    .enum(['off', 'device', 'site'])
    .default('off')
    .describe(
      'whether conversations go up: so that this device has them again, or that any of its site goes on with them',
    ),
  conversationTurnsMax: countSchema(1, 100_000)
    .default(200)
    .describe('questions kept of a conversation with the library; then its oldest go'),
  conversationBytesMax: countSchema(1024, 2 ** 40)
    .default(16 * 1024 ** 2)
    .describe('bytes of all conversations; then the oldest of them go'),
  conversationRetentionMs: countSchema(1_000, 31_536_000_000)
    .default(2_592_000_000)
    .describe('how long a question of a conversation is kept'),
  libraryPromptTokensMax: countSchema(128, 32_768)
    .default(1_500)
    .describe('tokens of passages and question that it is given; fewer are answered sooner'),
  questionCacheMs: countSchema(0, 31_536_000_000)
    .default(86_400_000)
    .describe(
      'how long the library’s answer to a question serves the same question; 0: not at all',
    ),
  questionCacheEntries: countSchema(1, 100_000)
    .default(1_000)
    .describe('answers kept of those, and of what was pushed as many'),
  questionCacheBytes: countSchema(1024, 2 ** 40)
    .default(16 * 1024 ** 2)
    .describe('their bytes, of each kind'),
  vectorCacheEntries: countSchema(1, 1_000_000)
    .default(4_096)
    .describe('vectors of questions and sentences kept in memory'),
  semanticCache: z
    .enum(['off', 'on'])
    .default('off')
    .describe('on: a question in other words than one before may be answered by its answer'),
  semanticSimilarityMin: shareSchema
    .default(0.9)
    .describe('cosine of two questions from which they may be the same'),
  semanticJudgedShare: z.coerce
    .number()
    .min(0.01)
    .max(1)
    .default(0.05)
    .describe(
      'of those answers, the share that is computed all the same, to see whether they hold',
    ),
  semanticWrongMax: shareSchema
    .default(0.01)
    .describe(
      'of those answers, the share that may be wrong: above it they are not given any more',
    ),
  questionTexts: z
    .enum(['no', 'yes'])
    .default('no')
    .describe('yes: which questions are asked most may be told in words, not by digests alone'),
  bodyBytesMax: countSchema(1024, 2 ** 30)
    .default(4 * 1024 * 1024)
    .describe('bytes of one request'),
  statusIntervalMs: countSchema(100, 3_600_000)
    .default(10_000)
    .describe('how often the coordinator hears how this device is'),
  logLevel: logLevelSchema,
});

export type AgentConfig = z.output<typeof agentConfigSchema>;
