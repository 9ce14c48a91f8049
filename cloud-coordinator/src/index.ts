export {
  type EmbeddedBroker,
  openEmbeddedBroker,
} from './adapters/embedded-broker.ts';
export {
  createMosquittoRevocations,
  type MosquittoRevocationsPorts,
} from './adapters/mosquitto-revocations.ts';
export { createMqttCoordinatorTransport, type MqttTransport } from './adapters/mqtt-transport.ts';
export { openSqlite } from './adapters/open-sqlite.ts';
export { operatorCommands } from './adapters/operator-commands.ts';
export { createSqlCoordinatorStore } from './adapters/sql-coordinator-store.ts';
export { createSqlDeviceTable } from './adapters/sql-device-table.ts';
export { createSqlDocumentStore } from './adapters/sql-document-store.ts';
export { openAuthority, type X509Authority } from './adapters/x509-authority.ts';
export { type CoordinatorConfig, coordinatorConfigSchema } from './config.ts';
export {
  type Coordinator,
  type CoordinatorAdapters,
  createCoordinator,
  type TransportAdapter,
} from './coordinator.ts';
export type { DeviceRecord, DeviceTable, DeviceView } from './fleet/device-registry.ts';
export { instanceName } from './fleet/instances.ts';
export { blobRoutes } from './http/blobs.ts';
export { createUpstreamPool, upstreamPoolDefaults } from './infer/upstreams/upstream-pool.ts';
export { createMetrics, type Metrics } from './observe/metrics.ts';
