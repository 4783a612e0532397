/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
export type AnalysisMode =
  /** A later one; looks back to the analysis before it, 1 day at least. */
  | 'FOLLOW_UP'
  /** The first analysis of this user and archetype; looks back 7 days. */
  | 'INITIAL';

export type Archetype =
  | 'FOUNDATION_BUILDER'
  | 'PEAK_PERFORMER'
  | 'RESILIENCE_REBUILDER'
  | 'SYSTEMATIC_IMPROVER';

export type CreateInterviewInput = {
  /** Collection to draw context from. */
  collection?: string | null | undefined;
  context?: string | null | undefined;
  /** GATEWAY enhances here; EXTERNAL waits for a prompt message on the Redis stream. */
  enhancer?: InterviewEnhancer | null | undefined;
  idempotencyKey?: string | null | undefined;
  topic: string;
};

export type DataPointInput = {
  /** The source's own id: the same source and externalId is stored once. */
  externalId: string;
  /** steps, sleep_hours, heart_rate, coding_seconds, …: 1 to 64 of a-z, 0-9 and _. */
  metric: string;
  recordedAt: string;
  source: string;
  unit?: string | null | undefined;
  value: number;
};

export type ErrorCode =
  | 'CONFLICT'
  | 'CREDENTIALS_REJECTED'
  | 'EMAIL_TAKEN'
  | 'GENERATION_FAILED'
  | 'IDEMPOTENCY_KEY_REUSED'
  | 'INVALID_INPUT'
  | 'INVALID_TRANSITION'
  | 'LOCK_TIMEOUT'
  | 'NOT_FOUND'
  | 'TOKEN_REJECTED'
  | 'UNAVAILABLE';

export type GenerationPhase =
  | 'COLLECTING'
  | 'DONE'
  | 'GENERATING'
  | 'STORING'
  | 'WAITING';

export type GenerationSource =
  /** An older analysis was reused: too few new data points for a new one. */
  | 'CACHED'
  /** The generation failed and an older result was served instead. */
  | 'FALLBACK'
  /** This request's own generation made it. */
  | 'FRESH'
  /** A generation that another request had already started, on this or another instance, made it. */
  | 'JOINED'
  /** An analysis no older than the recent window was reused. */
  | 'RECENT';

export type GenerationState =
  | 'FAILED'
  | 'RUNNING'
  | 'SUCCEEDED';

export type InsightKind =
  | 'RECOMMENDATION'
  | 'RISK'
  | 'STRENGTH'
  | 'TREND';

export type InterviewEnhancer =
  | 'EXTERNAL'
  | 'GATEWAY';

export type InterviewStatus =
  | 'COMPLETED'
  | 'ENHANCING'
  | 'FAILED'
  | 'IN_PROGRESS'
  | 'READY';

export type MessageInput = {
  /** The client's own id: the same id in one conversation is stored once. */
  clientId?: string | null | undefined;
  content: string;
  role: MessageRole;
};

export type MessageRole =
  | 'ASSISTANT'
  | 'SYSTEM'
  | 'TOOL'
  | 'USER';

export type RequestAnalysisInput = {
  archetype: Archetype;
  /** Make a new analysis even when a recent one exists. Joins a forced run in flight, unless data points arrived after that run read them: then it gets the next one. */
  forceRefresh?: boolean | null | undefined;
  idempotencyKey?: string | null | undefined;
  /** How long to wait for a run before answering GenerationPending, in milliseconds. Null waits to the end. */
  waitMs?: number | null | undefined;
};

export type SaveConversationInput = {
  messages: Array<MessageInput>;
  metadata?: unknown;
  /** Absent: a new session. */
  sessionId?: string | null | undefined;
};

export type AnalysisCardFragment = { id: string, archetype: Archetype, mode: AnalysisMode, date: string, summary: string, dataPointCount: number, createdAt: string, insights: Array<{ id: string, kind: InsightKind, title: string, confidence: number }> };

export type OverviewQueryVariables = Exact<{
  archetype: Archetype;
}>;


export type OverviewQuery = { viewer: { id: string, email: string, latestAnalysis: { id: string, archetype: Archetype, mode: AnalysisMode, date: string, summary: string, dataPointCount: number, createdAt: string, insights: Array<{ id: string, kind: InsightKind, title: string, confidence: number }> } | null, tracking: Array<{ archetype: Archetype, analysisCount: number, newDataPoints: number, threshold: number }> } | null };

export type RecordDataPointsMutationVariables = Exact<{
  points: Array<DataPointInput> | DataPointInput;
}>;


export type RecordDataPointsMutation = { recordDataPoints:
    | { __typename: 'InvalidInputError', message: string, issues: Array<{ path: Array<string>, message: string }> }
    | { __typename: 'RecordDataPointsPayload', stored: number, duplicates: number }
   };

export type RequestAnalysisMutationVariables = Exact<{
  input: RequestAnalysisInput;
}>;


export type RequestAnalysisMutation = { requestAnalysis:
    | { __typename: 'GenerationFailedError', retryable: boolean, retryAt: string | null, code: ErrorCode, message: string }
    | { __typename: 'GenerationPending', generation: { id: string } }
    | { __typename: 'IdempotencyKeyReusedError', code: ErrorCode, message: string }
    | { __typename: 'InvalidInputError', code: ErrorCode, message: string }
    | { __typename: 'RequestAnalysisPayload', source: GenerationSource, analysis: { id: string, archetype: Archetype, mode: AnalysisMode, date: string, summary: string, dataPointCount: number, createdAt: string, insights: Array<{ id: string, kind: InsightKind, title: string, confidence: number }> }, tracking: { archetype: Archetype, analysisCount: number } }
    | { __typename: 'UnavailableError', code: ErrorCode, message: string }
   };

export type FollowRunSubscriptionVariables = Exact<{
  id: string | number;
}>;


export type FollowRunSubscription = { generationChanged: { id: string, state: GenerationState, phase: GenerationPhase, progress: number, error: string | null, result:
      | { __typename: 'Analysis', id: string }
      | { __typename: 'CollectiveFact', id: string }
      | { __typename: 'Conversation', id: string }
      | { __typename: 'EnhancedPrompt', id: string }
      | { __typename: 'Generation', id: string }
      | { __typename: 'Insight', id: string }
      | { __typename: 'Interview', id: string }
      | { __typename: 'MemoryFact', id: string }
      | { __typename: 'Message', id: string }
      | { __typename: 'Plan', id: string }
      | { __typename: 'User', id: string }
     | null } };

export type CreateInterviewMutationVariables = Exact<{
  input: CreateInterviewInput;
}>;


export type CreateInterviewMutation = { createInterview:
    | { __typename: 'CreateInterviewPayload', interview: { id: string, topic: string, status: InterviewStatus, statusVersion: number } }
    | { __typename: 'IdempotencyKeyReusedError', code: ErrorCode, message: string }
    | { __typename: 'InvalidInputError', code: ErrorCode, message: string }
    | { __typename: 'UnavailableError', code: ErrorCode, message: string }
   };

export type FollowInterviewSubscriptionVariables = Exact<{
  interviewId?: string | number | null | undefined;
  afterVersion?: number | null | undefined;
}>;


export type FollowInterviewSubscription = { interviewStatusChanged: { status: InterviewStatus, version: number, interview: { id: string, status: InterviewStatus, statusVersion: number, enhancedPrompt: { id: string, text: string } | null } } };

export type SaveConversationMutationVariables = Exact<{
  input: SaveConversationInput;
}>;


export type SaveConversationMutation = { saveConversation:
    | { __typename: 'InvalidInputError', code: ErrorCode, message: string }
    | { __typename: 'SaveConversationPayload', messagesSaved: number, conversation: { id: string, sessionId: string, messageCount: number } }
    | { __typename: 'SaveConversationPending', sessionId: string, messagesHeld: number }
    | { __typename: 'UnavailableError', code: ErrorCode, message: string }
   };

export type ConversationPageQueryVariables = Exact<{
  sessionId: string;
  first: number;
  after?: string | null | undefined;
}>;


export type ConversationPageQuery = { viewer: { id: string, conversation: { id: string, messageCount: number, messages: { totalCount: number, edges: Array<{ cursor: string, node: { id: string, seq: number, role: MessageRole, content: string } }>, pageInfo: { hasNextPage: boolean, hasPreviousPage: boolean, startCursor: string | null, endCursor: string | null } } } | null } | null };

export const AnalysisCardFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"AnalysisCard"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Analysis"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"archetype"}},{"kind":"Field","name":{"kind":"Name","value":"mode"}},{"kind":"Field","name":{"kind":"Name","value":"date"}},{"kind":"Field","name":{"kind":"Name","value":"summary"}},{"kind":"Field","name":{"kind":"Name","value":"dataPointCount"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"insights"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"confidence"}}]}}]}}]} as unknown as DocumentNode<AnalysisCardFragment, unknown>;
export const OverviewDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Overview"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"archetype"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"Archetype"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"viewer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"email"}},{"kind":"Field","name":{"kind":"Name","value":"latestAnalysis"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"archetype"},"value":{"kind":"Variable","name":{"kind":"Name","value":"archetype"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"AnalysisCard"}}]}},{"kind":"Field","name":{"kind":"Name","value":"tracking"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"archetype"}},{"kind":"Field","name":{"kind":"Name","value":"analysisCount"}},{"kind":"Field","name":{"kind":"Name","value":"newDataPoints"}},{"kind":"Field","name":{"kind":"Name","value":"threshold"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"AnalysisCard"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Analysis"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"archetype"}},{"kind":"Field","name":{"kind":"Name","value":"mode"}},{"kind":"Field","name":{"kind":"Name","value":"date"}},{"kind":"Field","name":{"kind":"Name","value":"summary"}},{"kind":"Field","name":{"kind":"Name","value":"dataPointCount"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"insights"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"confidence"}}]}}]}}]} as unknown as DocumentNode<OverviewQuery, OverviewQueryVariables>;
export const RecordDataPointsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"RecordDataPoints"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"points"}},"type":{"kind":"NonNullType","type":{"kind":"ListType","type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"DataPointInput"}}}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"recordDataPoints"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"points"},"value":{"kind":"Variable","name":{"kind":"Name","value":"points"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"RecordDataPointsPayload"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"stored"}},{"kind":"Field","name":{"kind":"Name","value":"duplicates"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"InvalidInputError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"message"}},{"kind":"Field","name":{"kind":"Name","value":"issues"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]}}]}}]} as unknown as DocumentNode<RecordDataPointsMutation, RecordDataPointsMutationVariables>;
export const RequestAnalysisDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"RequestAnalysis"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"RequestAnalysisInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"requestAnalysis"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"RequestAnalysisPayload"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"source"}},{"kind":"Field","name":{"kind":"Name","value":"analysis"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"AnalysisCard"}}]}},{"kind":"Field","name":{"kind":"Name","value":"tracking"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"archetype"}},{"kind":"Field","name":{"kind":"Name","value":"analysisCount"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"GenerationPending"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"generation"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"GenerationFailedError"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"retryable"}},{"kind":"Field","name":{"kind":"Name","value":"retryAt"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Error"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"AnalysisCard"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Analysis"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"archetype"}},{"kind":"Field","name":{"kind":"Name","value":"mode"}},{"kind":"Field","name":{"kind":"Name","value":"date"}},{"kind":"Field","name":{"kind":"Name","value":"summary"}},{"kind":"Field","name":{"kind":"Name","value":"dataPointCount"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"insights"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"title"}},{"kind":"Field","name":{"kind":"Name","value":"confidence"}}]}}]}}]} as unknown as DocumentNode<RequestAnalysisMutation, RequestAnalysisMutationVariables>;
export const FollowRunDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"FollowRun"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"generationChanged"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"state"}},{"kind":"Field","name":{"kind":"Name","value":"phase"}},{"kind":"Field","name":{"kind":"Name","value":"progress"}},{"kind":"Field","name":{"kind":"Name","value":"error"}},{"kind":"Field","name":{"kind":"Name","value":"result"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]} as unknown as DocumentNode<FollowRunSubscription, FollowRunSubscriptionVariables>;
export const CreateInterviewDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"CreateInterview"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"CreateInterviewInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"createInterview"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"CreateInterviewPayload"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"interview"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"topic"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"statusVersion"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Error"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]}}]} as unknown as DocumentNode<CreateInterviewMutation, CreateInterviewMutationVariables>;
export const FollowInterviewDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"FollowInterview"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"interviewId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"afterVersion"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"interviewStatusChanged"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"interviewId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"interviewId"}}},{"kind":"Argument","name":{"kind":"Name","value":"afterVersion"},"value":{"kind":"Variable","name":{"kind":"Name","value":"afterVersion"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"interview"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"statusVersion"}},{"kind":"Field","name":{"kind":"Name","value":"enhancedPrompt"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"text"}}]}}]}}]}}]}}]} as unknown as DocumentNode<FollowInterviewSubscription, FollowInterviewSubscriptionVariables>;
export const SaveConversationDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"SaveConversation"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"SaveConversationInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"saveConversation"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"SaveConversationPayload"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"messagesSaved"}},{"kind":"Field","name":{"kind":"Name","value":"conversation"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"sessionId"}},{"kind":"Field","name":{"kind":"Name","value":"messageCount"}}]}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"SaveConversationPending"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"sessionId"}},{"kind":"Field","name":{"kind":"Name","value":"messagesHeld"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Error"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"code"}},{"kind":"Field","name":{"kind":"Name","value":"message"}}]}}]}}]}}]} as unknown as DocumentNode<SaveConversationMutation, SaveConversationMutationVariables>;
export const ConversationPageDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"ConversationPage"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"sessionId"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"viewer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"conversation"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"sessionId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"sessionId"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"messageCount"}},{"kind":"Field","name":{"kind":"Name","value":"messages"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"totalCount"}},{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"seq"}},{"kind":"Field","name":{"kind":"Name","value":"role"}},{"kind":"Field","name":{"kind":"Name","value":"content"}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"hasPreviousPage"}},{"kind":"Field","name":{"kind":"Name","value":"startCursor"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}}]}}]}}]} as unknown as DocumentNode<ConversationPageQuery, ConversationPageQueryVariables>;
export const possibleTypes: Record<string, string[]> = {
  "ConnectAccountResult": [
    "ConnectAccountPayload",
    "InvalidInputError"
  ],
  "ContributeFactResult": [
    "ContributeFactPayload",
    "InvalidInputError"
  ],
  "CreateInterviewResult": [
    "CreateInterviewPayload",
    "IdempotencyKeyReusedError",
    "InvalidInputError",
    "UnavailableError"
  ],
  "DeleteViewerResult": [
    "DeleteViewerPayload",
    "InvalidInputError"
  ],
  "DeliverPromptResult": [
    "DeliverPromptPayload",
    "InvalidInputError",
    "InvalidTransitionError",
    "NotFoundError"
  ],
  "Error": [
    "ConflictError",
    "CredentialsRejectedError",
    "EmailTakenError",
    "GenerationFailedError",
    "IdempotencyKeyReusedError",
    "InvalidInputError",
    "InvalidTransitionError",
    "LockTimeoutError",
    "NotFoundError",
    "TokenRejectedError",
    "UnavailableError"
  ],
  "GeneratePlanResult": [
    "GeneratePlanPayload",
    "GenerationFailedError",
    "GenerationPending",
    "IdempotencyKeyReusedError",
    "InvalidInputError",
    "UnavailableError"
  ],
  "IngestDocumentsResult": [
    "IngestDocumentsPayload",
    "InvalidInputError",
    "LockTimeoutError"
  ],
  "InterviewTransitionResult": [
    "InterviewTransitionPayload",
    "InvalidTransitionError",
    "NotFoundError"
  ],
  "LoginResult": [
    "CredentialsRejectedError",
    "LoginPayload"
  ],
  "Node": [
    "Analysis",
    "CollectiveFact",
    "Conversation",
    "EnhancedPrompt",
    "Generation",
    "Insight",
    "Interview",
    "MemoryFact",
    "Message",
    "Plan",
    "User"
  ],
  "RecordDataPointsResult": [
    "InvalidInputError",
    "RecordDataPointsPayload"
  ],
  "RefreshSessionResult": [
    "RefreshSessionPayload",
    "TokenRejectedError"
  ],
  "RegisterResult": [
    "EmailTakenError",
    "InvalidInputError",
    "RegisterPayload"
  ],
  "RememberExchangeResult": [
    "InvalidInputError",
    "LockTimeoutError",
    "RememberExchangePayload"
  ],
  "RequestAnalysisResult": [
    "GenerationFailedError",
    "GenerationPending",
    "IdempotencyKeyReusedError",
    "InvalidInputError",
    "RequestAnalysisPayload",
    "UnavailableError"
  ],
  "ResetPasswordResult": [
    "InvalidInputError",
    "ResetPasswordPayload",
    "TokenRejectedError"
  ],
  "SaveConversationResult": [
    "InvalidInputError",
    "SaveConversationPayload",
    "SaveConversationPending",
    "UnavailableError"
  ],
  "SendMessageResult": [
    "GenerationFailedError",
    "GenerationPending",
    "IdempotencyKeyReusedError",
    "InvalidInputError",
    "SendMessagePayload",
    "UnavailableError"
  ],
  "SyncAccountResult": [
    "NotFoundError",
    "SyncAccountPayload",
    "UnavailableError"
  ],
  "UpdatePreferencesResult": [
    "ConflictError",
    "InvalidInputError",
    "UpdatePreferencesPayload"
  ],
  "UpsertStatsResult": [
    "InvalidInputError",
    "UpsertStatsPayload"
  ],
  "VerifyEmailResult": [
    "TokenRejectedError",
    "VerifyEmailPayload"
  ]
};
