// An OpenAPI 3.1 document from a table of routes and the zod schemas that check them. Pure.

import { failureCatalogue } from '@skerry/shared';
import { z } from 'zod';

export interface RouteDescription {
  readonly method: 'get' | 'head' | 'post' | 'put' | 'patch';
  /** As the app has it: `/v1/rollouts/:id`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly query?: z.ZodObject;
  readonly body?: Content;
  readonly status?: 200 | 201;
  readonly answer?: Content;
  /** Answers that are neither the first nor a failure. */
  readonly others?: Readonly<Record<number, Content & { readonly about: string }>>;
  /** Without the operator's token. */
  readonly isOpen?: boolean;
}

export interface Content {
  readonly schema: z.ZodType;
  /** Absent: application/json. */
  readonly mediaType?: string;
}

export interface ApiDescription {
  readonly title: string;
  readonly about: string;
  readonly version: string;
  readonly routes: readonly RouteDescription[];
  /** Schemas that the document names once, under these names. */
  readonly named: Readonly<Record<string, z.ZodType>>;
  /** Of path parameters; others are texts. */
  readonly parameters: Readonly<Record<string, z.ZodType>>;
}

type Json = Readonly<Record<string, unknown>>;

const failureSchema = z.object({
  error: z.string().describe('what went wrong, for a person'),
  code: z.enum(Object.keys(failureCatalogue)).describe('the same, for a program'),
});

export function describeApi(description: ApiDescription): Json {
  const { title, about, version, routes } = description;
  const named: Readonly<Record<string, z.ZodType>> = {
    Failure: failureSchema,
    ...description.named,
  };
  const names = new Map<z.ZodType, string>(
    Object.entries(named).map(([name, schema]) => [schema, name]),
  );
  const refer: Refer = (schema, io) => {
    const name = names.get(schema);
    return name === undefined ? jsonSchema(schema, io) : { $ref: `#/components/schemas/${name}` };
  };
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operationOf(route, description, refer) };
  }
  return {
    openapi: '3.1.0',
    info: { title, description: about, version },
    paths,
    components: {
      schemas: Object.fromEntries(
        // A plan is what one writes, a view what one reads; a schema without defaults is the same for both.
        Object.entries(named).map(([name, schema]) => [name, jsonSchema(schema, 'input')]),
      ),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        basic: { type: 'http', scheme: 'basic', description: 'the token as the password' },
      },
    },
    security: [{ bearer: [] }, { basic: [] }],
  };
}

type Refer = (schema: z.ZodType, io: 'input' | 'output') => Json;

function operationOf(route: RouteDescription, { parameters }: ApiDescription, refer: Refer): Json {
  const { method, path, tag, summary, query, body, answer, status = 200, others = {} } = route;
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: refer(parameters[name] ?? z.string(), 'input'),
  }));
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !(schema as z.ZodType).safeParse(undefined).success,
    schema: refer(schema as z.ZodType, 'output'),
  }));
  const content = (
    { schema, mediaType = 'application/json' }: Content,
    io: 'input' | 'output',
  ) => ({
    content: { [mediaType]: { schema: refer(schema, io) } },
  });
  return {
    operationId: operationIdOf(route),
    tags: [tag],
    summary,
    parameters: [...inPath, ...inQuery],
    ...(body === undefined ? {} : { requestBody: { required: true, ...content(body, 'input') } }),
    responses: {
      [status]: {
        description: status === 201 ? 'it has been made' : 'done',
        ...(answer === undefined || method === 'head' ? {} : content(answer, 'output')),
      },
      ...Object.fromEntries(
        Object.entries(others).map(([code, { about, ...other }]) => [
          code,
          { description: about, ...content(other, 'output') },
        ]),
      ),
      default: {
        description: 'refused or failed',
        ...content({ schema: failureSchema }, 'output'),
      },
    },
    ...(route.isOpen === true ? { security: [] } : {}),
  };
}

/** `post-rollouts-id-pause`: of method and path, so it is the route's own. */
const operationIdOf = ({ method, path }: RouteDescription): string =>
  [method, ...path.split('/').slice(2)].map((part) => part.replace(/^:/, '')).join('-');

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
