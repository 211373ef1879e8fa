/** One change to a planned VM. */
export type PlanStep =
  | { kind: 'system'; properties: Record<string, unknown> }
  | { kind: 'modify'; instanceId: string; properties: Record<string, unknown> }
  | { kind: 'remove'; instanceId: string }
  | { kind: 'add'; subType: string; parentId?: string; properties: Record<string, unknown> };
