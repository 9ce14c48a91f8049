// A configuration and an access list for Mosquitto that enforce what the embedded broker does: certificates of our
// authority alone, one client id a certificate, each device to its own topics. mosquitto.conf(5), 2.0.

import { envelopeBytesMax } from '@skerry/shared';
import { topicsByAction } from '@skerry/sync-protocol';

/** Beside its payload: topic and properties. */
const packetOverheadBytesMax = 4_096;
/** For one client that does not read: what is dropped is sent again from the stores. */
const queuedMessagesMax = 1_000;

/** What lies in the folder, beside Mosquitto's own key. */
export const mosquittoFiles = {
  config: 'mosquitto.conf',
  accessList: 'acl',
  authority: 'authority.pem',
  certificate: 'server.pem',
  key: 'server.key',
  revoked: 'revoked.pem',
  /** Ours, not Mosquitto's: which of those it has been told of, and whose connections have ended. */
  told: 'revoked.told',
  pid: 'mosquitto.pid',
} as const;

export interface MosquittoSettings {
  /** Where the files will lie. */
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  /** Certificates' common names of the coordinators. */
  readonly coordinators: readonly string[];
}

export function mosquittoConfig({ folder, host, port }: MosquittoSettings): string {
  const at = mosquittoFiles;
  return `# Made by skerry-coordinator mosquitto-config. The folder must be Mosquitto's to read, and to write its pid in. Revocations
# come by a coordinator with --mosquitto-dir; or make this again, which is a SIGHUP, and what is open stays open.
listener ${port} ${host}
pid_file ${folder}/${at.pid}
cafile ${folder}/${at.authority}
certfile ${folder}/${at.certificate}
keyfile ${folder}/${at.key}
crlfile ${folder}/${at.revoked}
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file ${folder}/${at.accessList}
# A pipe: nothing is kept for those who left.
persistence false
retain_available false
max_packet_size ${envelopeBytesMax + packetOverheadBytesMax}
max_queued_messages ${queuedMessagesMax}
set_tcp_nodelay true
`;
}

export function mosquittoAccessList({ coordinators }: MosquittoSettings): string {
  // What any device publishes, the coordinator reads, and the reverse. %u is the certificate's common name.
  const all = topicsByAction('+');
  const own = topicsByAction('%u');
  const ofCoordinator = [
    ...all.publish.map((topic) => `topic read ${topic}`),
    ...all.subscribe.map((topic) => `topic write ${topic}`),
  ];
  return [
    ...coordinators.flatMap((name) => [`user ${name}`, ...ofCoordinator, '']),
    ...own.publish.map((topic) => `pattern write ${topic}`),
    ...own.subscribe.map((topic) => `pattern read ${topic}`),
    '',
  ].join('\n');
}
