// With this engine, everything is in the packages and nothing is downloaded.
import { PrismaPg } from "@prisma/adapter-pg"

export default {
  experimental: { adapter: true },
  engine: "js",
  adapter: async () => new PrismaPg({ connectionString: process.env.DATABASE_URL }),
}
