/** A user's module. */
module org.example.driver {
    requires org.jvfio;
}
