// The schema's history. A migration that has shipped is never edited: the next change is the next number.

import { type Kysely, type Migration, sql } from 'kysely';
import { documentMigration } from './document-schema.ts';

/** The names that differ between dialects. */
export interface ColumnTypes {
  readonly bytes: 'blob' | 'bytea';
  /** An integer that numbers the rows by itself. */
  readonly rowNumber: 'integer' | 'bigserial';
  /** The same, and no number is given twice, not after its row is gone. */
  readonly rowNumberOnce: 'integer primary key autoincrement' | 'bigserial primary key';
}

export function migrations(types: ColumnTypes): Record<string, Migration> {
  return {
    '0001-sync-and-fleet': {
      async up(db: Kysely<unknown>) {
        const bytes = sql.raw(types.bytes);
        await db.schema
          .createTable('incarnation')
          .addColumn('id', sql.raw(types.rowNumber), (c) => c.primaryKey())
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('epoch', 'text', (c) => c.notNull())
          .addUniqueConstraint('incarnation_epoch', ['device', 'epoch'])
          .execute();
        await db.schema
          .createTable('mark')
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('epoch', 'text', (c) => c.notNull())
          .addColumn('lane', 'text', (c) => c.notNull())
          .addColumn('seq', 'bigint', (c) => c.notNull())
          .addPrimaryKeyConstraint('mark_key', ['device', 'epoch', 'lane'])
          .execute();
        await db.schema
          .createTable('sighting')
          .addColumn('device', 'text', (c) => c.primaryKey())
          .addColumn('boot', 'bigint', (c) => c.notNull())
          .addColumn('epoch', 'text', (c) => c.notNull())
          .addColumn('cursor', 'bigint', (c) => c.notNull())
          .addColumn('urgent', 'bigint', (c) => c.notNull())
          .addColumn('normal', 'bigint', (c) => c.notNull())
          .addColumn('bulk', 'bigint', (c) => c.notNull())
          .addColumn('turns', 'integer', (c) => c.notNull())
          .execute();
        await db.schema
          .createTable('quarantine')
          .addColumn('id', 'bigint', (c) => c.primaryKey())
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('kind', 'text', (c) => c.notNull())
          .addColumn('reason', 'text', (c) => c.notNull())
          .addColumn('at_ms', 'bigint', (c) => c.notNull())
          .addColumn('body', bytes, (c) => c.notNull())
          .execute();
        await db.schema
          .createTable('escalation')
          .addColumn('id', sql.raw(types.rowNumber), (c) => c.primaryKey())
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('request_id', 'text', (c) => c.notNull())
          .addColumn('body', bytes, (c) => c.notNull())
          .addUniqueConstraint('escalation_request', ['device', 'request_id'])
          .execute();
        await db.schema
          .createTable('up_op')
          .addColumn('id', sql.raw(types.rowNumber), (c) => c.primaryKey())
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('kind', 'text', (c) => c.notNull())
          .addColumn('at_ms', 'bigint', (c) => c.notNull())
          .addColumn('body', bytes, (c) => c.notNull())
          .execute();
        await db.schema.createIndex('up_op_by_kind').on('up_op').columns(['kind', 'id']).execute();
        await db.schema
          .createTable('down_position')
          .addColumn('device', 'text', (c) => c.primaryKey())
          .addColumn('position', 'bigint', (c) => c.notNull())
          .execute();
        await db.schema
          .createTable('down_op')
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('position', 'bigint', (c) => c.notNull())
          .addColumn('at_ms', 'bigint', (c) => c.notNull())
          .addColumn('bytes', 'integer', (c) => c.notNull())
          .addColumn('body', bytes, (c) => c.notNull())
          .addPrimaryKeyConstraint('down_op_key', ['device', 'position'])
          .execute();
        await db.schema
          .createTable('device')
          .addColumn('device', 'text', (c) => c.primaryKey())
          .addColumn('epoch', 'text', (c) => c.notNull())
          .addColumn('first_seen_ms', 'bigint', (c) => c.notNull())
          .addColumn('last_seen_ms', 'bigint', (c) => c.notNull())
          .addColumn('status', 'text')
          .execute();
      },
    },
    '0002-identity': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('join_token')
          .addColumn('sha256', 'text', (c) => c.primaryKey())
          .addColumn('device', 'text')
          .addColumn('site', 'text')
          .addColumn('expires_ms', 'bigint', (c) => c.notNull())
          .addColumn('spent_by', 'text')
          .execute();
        await db.schema
          .createTable('certificate')
          .addColumn('serial', 'text', (c) => c.primaryKey())
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('key_sha256', 'text', (c) => c.notNull())
          .addColumn('not_after_ms', 'bigint', (c) => c.notNull())
          .addColumn('revoked_ms', 'bigint')
          .execute();
        await db.schema
          .createIndex('certificate_by_device')
          .on('certificate')
          .column('device')
          .execute();
      },
    },
    '0003-documents': documentMigration(types),
    '0004-suspicions': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('suspicion')
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('kind', 'text', (c) => c.notNull())
          .addColumn('times', 'bigint', (c) => c.notNull())
          .addColumn('first_ms', 'bigint', (c) => c.notNull())
          .addColumn('last_ms', 'bigint', (c) => c.notNull())
          .addPrimaryKeyConstraint('suspicion_key', ['device', 'kind'])
          .execute();
      },
    },
    '0005-site-of-certificate': {
      async up(db: Kysely<unknown>) {
        await db.schema.alterTable('certificate').addColumn('site', 'text').execute();
      },
    },
    '0006-audits': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('audit')
          .addColumn('day', 'integer', (c) => c.notNull())
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('model', 'text', (c) => c.notNull())
          .addColumn('version', 'text', (c) => c.notNull())
          .addColumn('variant', 'text', (c) => c.notNull())
          .addColumn('exit', 'integer', (c) => c.notNull())
          .addColumn('audited', 'bigint', (c) => c.notNull())
          .addColumn('disagreed', 'bigint', (c) => c.notNull())
          .addPrimaryKeyConstraint('audit_key', ['day', 'device', 'variant', 'exit'])
          .execute();
      },
    },
    // An empty `up_op` gave its numbers again: a coordinator could close an op that another had closed before, and a
    // second op of one number could not be put aside.
    '0007-op-numbers': {
      async up(db: Kysely<unknown>) {
        const bytes = sql.raw(types.bytes);
        await db.schema.dropIndex('up_op_by_kind').execute();
        await db.schema.alterTable('up_op').renameTo('up_op_before').execute();
        await db.schema.alterTable('quarantine').renameTo('quarantine_before').execute();
        await db.schema
          .createTable('up_op')
          .addColumn('id', sql.raw(types.rowNumberOnce))
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('kind', 'text', (c) => c.notNull())
          .addColumn('at_ms', 'bigint', (c) => c.notNull())
          .addColumn('body', bytes, (c) => c.notNull())
          .execute();
        await db.schema.createIndex('up_op_by_kind').on('up_op').columns(['kind', 'id']).execute();
        await db.schema
          .createTable('quarantine')
          .addColumn('id', sql.raw(types.rowNumberOnce))
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('kind', 'text', (c) => c.notNull())
          .addColumn('reason', 'text', (c) => c.notNull())
          .addColumn('at_ms', 'bigint', (c) => c.notNull())
          .addColumn('body', bytes, (c) => c.notNull())
          .execute();
        await sql`INSERT INTO up_op (device, kind, at_ms, body)
          SELECT device, kind, at_ms, body FROM up_op_before ORDER BY id`.execute(db);
        await sql`INSERT INTO quarantine (device, kind, reason, at_ms, body)
          SELECT device, kind, reason, at_ms, body FROM quarantine_before ORDER BY id`.execute(db);
        await db.schema.dropTable('up_op_before').execute();
        await db.schema.dropTable('quarantine_before').execute();
      },
    },
    '0009-updates': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('event_log')
          .addColumn('id', sql.raw(types.rowNumber), (c) => c.primaryKey())
          .addColumn('kind', 'text', (c) => c.notNull())
          .addColumn('name', 'text', (c) => c.notNull())
          .addUniqueConstraint('event_log_name', ['kind', 'name'])
          .execute();
        await db.schema
          .createTable('event')
          .addColumn('log', 'bigint', (c) => c.notNull())
          .addColumn('place', 'bigint', (c) => c.notNull())
          .addColumn('event', 'text', (c) => c.notNull())
          .addPrimaryKeyConstraint('event_key', ['log', 'place'])
          .execute();
        await db.schema
          .createTable('assignment')
          .addColumn('device', 'text', (c) => c.primaryKey())
          .addColumn('counter', 'bigint', (c) => c.notNull())
          .addColumn('position', 'bigint', (c) => c.notNull())
          .addColumn('assignment', 'text', (c) => c.notNull())
          .addColumn('issues', 'text', (c) => c.notNull())
          .execute();
      },
    },
    '0010-age-of-documents': {
      async up(db: Kysely<unknown>) {
        await db.schema.alterTable('document').addColumn('since_ms', 'bigint').execute();
      },
    },
    '0011-operators': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('operator')
          .addColumn('name', 'text', (c) => c.primaryKey())
          .addColumn('role', 'text', (c) => c.notNull())
          .addColumn('sha256', 'text', (c) => c.notNull())
          .addColumn('since_ms', 'bigint', (c) => c.notNull())
          .execute();
      },
    },
    '0012-enrolment-of-certificate': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .alterTable('certificate')
          .addColumn('enrolment', 'integer', (c) => c.notNull().defaultTo(0))
          .execute();
      },
    },
    '0013-learning': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('learn_task')
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('run', 'text', (c) => c.notNull())
          .addColumn('name', 'text', (c) => c.notNull())
          .addColumn('position', 'bigint', (c) => c.notNull())
          .addPrimaryKeyConstraint('learn_task_key', ['device', 'run'])
          .execute();
      },
    },
    '0014-conversations': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('conversation_turn')
          .addColumn('scope', 'text', (c) => c.notNull())
          .addColumn('thread', 'text', (c) => c.notNull())
          .addColumn('turn', 'text', (c) => c.notNull())
          .addColumn('at_ms', 'bigint', (c) => c.notNull())
          .addColumn('bytes', 'integer', (c) => c.notNull())
          .addColumn('record', 'text', (c) => c.notNull())
          .addPrimaryKeyConstraint('conversation_turn_key', ['scope', 'thread', 'turn'])
          .execute();
        await db.schema
          .createIndex('conversation_turn_by_age')
          .on('conversation_turn')
          .columns(['scope', 'at_ms'])
          .execute();
        await db.schema
          .createTable('conversation_gone')
          .addColumn('scope', 'text', (c) => c.notNull())
          .addColumn('thread', 'text', (c) => c.notNull())
          .addColumn('turn', 'text', (c) => c.notNull())
          .addColumn('until_ms', 'bigint', (c) => c.notNull())
          .addColumn('kept_ms', 'bigint', (c) => c.notNull())
          .addPrimaryKeyConstraint('conversation_gone_key', ['scope', 'thread', 'turn'])
          .execute();
        await db.schema
          .createTable('conversation_copy')
          .addColumn('scope', 'text', (c) => c.notNull())
          .addColumn('thread', 'text', (c) => c.notNull())
          .addColumn('device', 'text', (c) => c.notNull())
          .addColumn('kept_ms', 'bigint', (c) => c.notNull())
          .addPrimaryKeyConstraint('conversation_copy_key', ['scope', 'thread', 'device'])
          .execute();
      },
    },
    // What is too old is found, and what a scope holds is summed, without reading what was said.
    '0015-ages-of-turns': {
      async up(db: Kysely<unknown>) {
        await db.schema.dropIndex('conversation_turn_by_age').execute();
        await db.schema
          .createIndex('conversation_turn_by_scope')
          .on('conversation_turn')
          .columns(['scope', 'at_ms', 'bytes'])
          .execute();
        await db.schema
          .createIndex('conversation_turn_by_age')
          .on('conversation_turn')
          .column('at_ms')
          .execute();
      },
    },
  };
}
