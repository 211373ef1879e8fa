/**
 * Results of methods made from their schemas: every field is there, and every text that may be anything is the given
 * one.
 */
import * as z from 'zod';

interface Shape {
  $ref?: string;
  $defs?: Record<string, Shape>;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Shape[];
  properties?: Record<string, Shape>;
  items?: Shape;
  minimum?: number;
  pattern?: string;
  format?: string;
  additionalProperties?: Shape | boolean;
}

/** @param text stands wherever the schema asks for a text without a pattern or a format */
export function sampleOf(schema: z.ZodType, text: string): unknown {
  const root = z.toJSONSchema(schema, { io: 'output' }) as Shape;
  const make = (shape: Shape): unknown => {
    if (shape.$ref) return make(root.$defs![shape.$ref.split('/').at(-1)!]!);
    if ('const' in shape) return shape.const;
    if (shape.enum) return shape.enum[0];
    if (shape.anyOf) return make(shape.anyOf[0]!);
    switch ([shape.type].flat()[0]) {
      case 'object':
        return Object.fromEntries(Object.entries(shape.properties ?? {}).map(([name, inner]) => [name, make(inner)]));
      case 'array':
        return [make(shape.items!), make(shape.items!)];
      case 'string':
        if (shape.format === 'date-time') return '2026-11-21T01:02:03.000Z';
        return shape.pattern ? '11111111-2222-3333-4444-555555555555' : text;
      case 'boolean':
        return true;
      case 'null':
        return null;
      default:
        return Math.max(1, shape.minimum ?? 1);
    }
  };
  return make(root);
}
