import java.nio.file.Path;
import java.util.Map;
import org.neo4j.configuration.GraphDatabaseSettings;
import org.neo4j.configuration.connectors.BoltConnector;
import org.neo4j.configuration.connectors.HttpConnector;
import org.neo4j.configuration.helpers.SocketAddress;
import org.neo4j.dbms.api.DatabaseManagementServiceBuilder;
import org.neo4j.io.ByteUnit;

/** Neo4j with Bolt on loopback: {@code Neo4j DIRECTORY PORT}, the password in NEO4J_PASSWORD. */
class Neo4j {
    public static void main(String[] arguments) {
        var directory = Path.of(arguments[0]);
        var bolt = new SocketAddress("127.0.0.1", Integer.parseInt(arguments[1]));
        var password = System.getenv("NEO4J_PASSWORD");
        var service =
                new DatabaseManagementServiceBuilder(directory)
                        .setConfig(BoltConnector.enabled, true)
                        .setConfig(BoltConnector.listen_address, bolt)
                        .setConfig(BoltConnector.advertised_address, bolt)
                        .setConfig(HttpConnector.enabled, false)
                        .setConfig(GraphDatabaseSettings.auth_enabled, true)
                        .setConfig(GraphDatabaseSettings.pagecache_memory, ByteUnit.mebiBytes(128))
                        .build();
        Runtime.getRuntime().addShutdownHook(new Thread(service::shutdown));
        // Whatever it was before: who can read this process's environment may set it anyway.
        service.database("system")
                .executeTransactionally(
                        "CREATE OR REPLACE USER neo4j SET PASSWORD $password CHANGE NOT REQUIRED",
                        Map.of("password", password));
        System.out.println("Bolt on " + bolt);
    }
}
