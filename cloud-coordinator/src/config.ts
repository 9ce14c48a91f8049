// The coordinator's configuration: every key, its default and its bounds.

import { join } from 'node:path';
import { providersSchema } from '@skerry/models';
import { zooDirectory } from '@skerry/models/node';
import { countSchema, listSchema, portSchema, secret, shareSchema } from '@skerry/shared';
import { logLevelSchema } from '@skerry/shared/node';
import { exchangeHandlerDefaults } from '@skerry/sync-protocol';
import { retentionLimits } from '@skerry/sync-protocol/documents';
import { z } from 'zod';
import { retentionDefaults } from './event-log/retention.ts';
import { dataDirSchema, instancesMax } from './fleet/instances.ts';
import { modelServingSchema, servingFields } from './infer/serving-config.ts';
import { upstreamPoolDefaults } from './infer/upstreams/upstream-pool.ts';
import { upstreamsSchema } from './infer/upstreams/upstreams-config.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

export const coordinatorConfigSchema = z.object({
  dataDir: dataDirSchema.describe('where the database lies'),
  httpHost: z.string().min(1).default('127.0.0.1').describe('address of the API and the console'),
  httpPort: portSchema.default(8080).describe('its port; 0 takes a free one'),
  grpcPort: portSchema
    .optional()
    .describe('port of the Open Inference Protocol over gRPC, at the same address; absent: none'),
  mqttHost: z.string().min(1).default('127.0.0.1').describe('address of the embedded broker'),
  mqttPort: portSchema.default(1883).describe('its port; 0 takes a free one'),
  mqttConnectionsMax: countSchema(1, 1_000_000)
    .default(25_000)
    .describe('connections that the embedded broker takes'),
  // The URL may hold a password.
  broker: secret(
    z
      .url({ protocol: /^mqtts?$/ })
      .optional()
      .describe('a broker of yours, instead of the embedded one'),
  ),
  blobQuotaBytes: countSchema(1024, 2 ** 50)
    .default(64 * 1024 ** 3)
    .describe('disk for blobs'),
  blobBytesMax: countSchema(1, 1024 ** 3)
    .default(1024 ** 3)
    .describe('bytes of one blob'),
  blobDeviceBytesMax: countSchema(1, 2 ** 50)
    .default(1024 ** 3)
    .describe('disk for what one device has put, where devices have certificates'),
  blobTransfersMax: countSchema(1, 10_000)
    .default(256)
    .describe('devices that move blobs at once, by each wire'),
  tls: z
    .enum(['auto', 'on'])
    .default('auto')
    .describe('auto: TLS for listeners off loopback; on: for all'),
  insecure: z.enum(['plaintext']).optional().describe('lets traffic off loopback be read'),
  operatorToken: secret(
    z
      .string()
      .regex(/^[\x21-\x7e]{32,512}$/, 'expected 32 to 512 printable characters without spaces')
      .optional()
      .describe('what the API and the console ask for; off loopback and over TLS always'),
  ),
  serverNames: listSchema
    .prefault('localhost,127.0.0.1')
    .describe('host names and addresses in our certificate, separated by commas'),
  tufKeys: listSchema
    .optional()
    .describe(
      'online keys of the update repository, PEM files or env:NAME; absent: those that tuf init has made',
    ),
  instance: countSchema(0, instancesMax - 1)
    .default(0)
    .describe('which of the coordinators on this database this is'),
  certificateLifeMs: countSchema(60_000, 397 * dayMs)
    .default(30 * dayMs)
    .describe('how long a device’s certificate is good'),
  documentHorizonMs: countSchema(hourMs, 3_650 * dayMs)
    .default(retentionLimits.horizonMs)
    .describe('how old the past of a document may be before it begins anew without it'),
  mosquittoDir: z
    .string()
    .min(1)
    .optional()
    .describe(
      'what mosquitto-config has made, where that Mosquitto runs here: it hears of revocations',
    ),
  revocationReadMs: countSchema(100, hourMs)
    .default(2_000)
    .describe('how often revocations are read'),
  bundles: listSchema
    .prefault(join(zooDirectory, 'digits'))
    .describe('folders of the bundles to serve, separated by commas'),
  embedder: z
    .string()
    .min(1)
    .optional()
    .describe(
      'folder of an embedder (npm run models -- embedder), for devices that have none; absent: none is served',
    ),
  holdMs: countSchema(0, 10_000)
    .default(exchangeHandlerDefaults.holdMs)
    .describe('how long a reply may wait for its answers'),
  heldRepliesMax: countSchema(0, 1_000_000)
    .default(exchangeHandlerDefaults.heldRepliesMax)
    .describe('replies that wait at once'),
  nextExchangeMs: countSchema(1_000, hourMs)
    .default(exchangeHandlerDefaults.nextExchangeMs)
    .describe('when devices come back if nothing happens before'),
  exchangesMax: countSchema(1, 1_000_000).default(4_096).describe('exchanges under way at once'),
  publishesMax: countSchema(1, 65_535)
    .default(4_096)
    .describe('messages that the broker has not acknowledged'),
  // An upstream may have an API key.
  upstreams: secret(
    upstreamsSchema.describe(
      'servers that compute for this coordinator, as JSON: name, kind, url, apiKey, models, tier, weight',
    ),
  ),
  upstreamTimeoutMs: countSchema(1, hourMs)
    .default(30_000)
    .describe('how long an upstream may take, all tries together'),
  hedgeShareMax: shareSchema
    .default(upstreamPoolDefaults.hedgeShareMax)
    .describe('share of upstreams’ tensor calls that a second one may be asked too; 0 is none'),
  textTimeoutMs: countSchema(1, hourMs)
    .default(120_000)
    .describe('how long a chat completion or embeddings may take; a stream, until it begins'),
  balancing: z
    .enum(['least-loaded', 'weighted'])
    .default('least-loaded')
    .describe('which of several upstreams is asked'),
  modelControl: z
    .enum(['none', 'explicit'])
    .default('none')
    .describe('explicit: who reaches the API may load and unload models'),
  bodyBytesMax: countSchema(1024, 2 ** 30)
    .default(16 * 1024 * 1024)
    .describe('bytes of one inference request'),
  inferInstances: servingFields.inferInstances
    .default(1)
    .describe('copies of each model that run at once'),
  inferQueueRowsMax: servingFields.inferQueueRowsMax
    .default(1_024)
    .describe('rows of clients’ requests that wait for one model'),
  inferPriorities: countSchema(1, 100)
    .default(3)
    .describe(
      'levels of priority; 1 is the first to run, and whom a device’s app waits for has it',
    ),
  queueTimeoutMs: servingFields.queueTimeoutMs
    .default(30_000)
    .describe('how long a client’s request may wait for a model; 0 is for ever'),
  queueTimeoutAction: servingFields.queueTimeoutAction
    .default('reject')
    .describe('reject: then it fails; delay: then it waits behind all others'),
  queueTimeoutOverride: servingFields.queueTimeoutOverride
    .default('allow')
    .describe('whether a request may name a timeout of its own'),
  batchRowsMax: servingFields.batchRowsMax.default(32).describe('rows in one run of a model'),
  batchDelayMs: servingFields.batchDelayMs.default(2).describe('how long a row waits for company'),
  modelServing: modelServingSchema.describe(
    `other values for single models, as JSON: {"NAME": {${Object.keys(servingFields).join(', ')}}}`,
  ),
  escalationsMax: countSchema(1, 1_000_000)
    .default(1_024)
    .describe('escalations in memory; the rest wait in the database'),
  attemptsMax: countSchema(1, 100)
    .default(5)
    .describe('tries before an escalation is answered failed'),
  workers: countSchema(1, 256)
    .optional()
    .describe('worker threads that the models share; by default one for each core'),
  memoryBytesMax: countSchema(1_048_576, 2 ** 50)
    .optional()
    .describe('memory for models; by default half of what this process may use'),
  threads: countSchema(1, 256).default(1).describe('threads inside one operator'),
  executionProviders: providersSchema,
  devicesMax: countSchema(1, 10_000_000).default(100_000).describe('devices in the registry'),
  offlineAfterMs: countSchema(1_000, 24 * hourMs)
    .default(90_000)
    .describe('silence after which a device counts as offline'),
  rolloutTurnMs: countSchema(50, 600_000)
    .default(1_000)
    .describe('how often rollouts take reports, ask their gates and tell devices'),
  learnTurnMs: countSchema(50, 600_000)
    .default(500)
    .describe('how often learning runs take replies, make models and tell devices'),
  endedLogsMax: countSchema(0, 1_000_000)
    .default(retentionDefaults.endedMax)
    .describe('rollouts, and learning runs, that have ended and whose logs are kept'),
  endedLogsMs: countSchema(hourMs, 36_500 * dayMs)
    .default(retentionDefaults.endedMs)
    .describe('how long they are kept, however few there are'),
  conversationBytesMax: countSchema(1024, 2 ** 40)
    .default(16 * 1024 ** 2)
    .describe(
      'bytes of the conversations that a site, or a device, shares; then the oldest turns go',
    ),
  conversationRetentionMs: countSchema(hourMs, 3_650 * dayMs)
    .default(30 * dayMs)
    .describe('how long a turn of such a conversation is kept'),
  watchersMax: countSchema(1, 10_000).default(64).describe('viewers of the live decisions'),
  logLevel: logLevelSchema,
});

export type CoordinatorConfig = z.output<typeof coordinatorConfigSchema>;
