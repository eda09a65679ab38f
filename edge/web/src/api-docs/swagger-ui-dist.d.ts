/** The part of Swagger UI's configuration that /api/docs uses; the package has no types. */
declare module "swagger-ui-dist/swagger-ui-es-bundle" {
  interface Options {
    dom_id: string;
    url: string;
    deepLinking: boolean;
    docExpansion: "list" | "full" | "none";
    defaultModelsExpandDepth: number;
    tryItOutEnabled: boolean;
    persistAuthorization: boolean;
    validatorUrl: string | null;
    onComplete: () => void;
  }
  interface Instance {
    preauthorizeApiKey: (scheme: string, token: string) => void;
  }
  export default function SwaggerUI(options: Options): Instance;
}
