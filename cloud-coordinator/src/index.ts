export { type CoordinatorConfig, coordinatorConfigSchema } from './config.ts';
export {
  type Coordinator,
  type CoordinatorAdapters,
  createCoordinator,
  type TransportAdapter,
} from './coordinator.ts';
export { openSqlite } from './database/open-sqlite.ts';
export type { DeviceRecord, DeviceTable, DeviceView } from './fleet/device-registry.ts';
export { createSqlDeviceTable } from './fleet/sql-device-table.ts';
export { readBundles } from './infer/read-bundles.ts';
export { createMetrics, type Metrics } from './observe/metrics.ts';
export { type EmbeddedBroker, openEmbeddedBroker } from './sync/embedded-broker.ts';
export { createMqttCoordinatorTransport, type MqttTransport } from './sync/mqtt-transport.ts';
export { createSqlCoordinatorStore } from './sync/sql-store.ts';
